/*
 * Trees of numbered nodes that are joined and cut apart, and asked for a node's topmost ancestor: each in amortised
 * logarithmic time, however deep they are (link-cut trees; Sleator and Tarjan, 1983).  A walk from parent to parent takes
 * as long as the tree is deep, and who writes the mail decides how deep that is.
 *
 * Memory: 12 bytes a node.  Pure; any thread, one at a time.
 */
#ifndef SERVER_FOREST_H
#define SERVER_FOREST_H

#include "protocol/base.h"

struct forest {
	/* By node, from 1; 0: none.  Paths down the trees are binary trees, sorted by depth: `left` is nearer the top.  The
	 * root of a path's binary tree has in `up` the parent of the path's topmost node. */
	uint32_t *up, *left, *right;
	uint32_t n, cap; /* node 0 counts */
};

/* Nodes from 1 to below `n` with these parents, 0 for none. */
void forest_init(struct forest *f, const uint32_t *parent, uint32_t n);
/* Accepts a zeroed struct. */
void forest_finish(struct forest *f);
/* A further node, by itself: number f->n of before. */
void forest_add(struct forest *f);
/* The topmost ancestor, or the node itself. */
uint32_t forest_top(struct forest *f, uint32_t node);
/* `node`, which has no parent, comes below `parent`, of another tree. */
void forest_link(struct forest *f, uint32_t node, uint32_t parent);
/* Takes the parent away, if there is one. */
void forest_cut(struct forest *f, uint32_t node);

#endif
