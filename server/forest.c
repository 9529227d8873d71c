#include "server/forest.h"

#include <string.h>

void forest_init(struct forest *f, const uint32_t *parent, uint32_t n)
{
	*f = (struct forest){.n = n, .cap = n + n / 2 + 1};
	f->up = xcalloc(f->cap, sizeof(*f->up));
	f->left = xcalloc(f->cap, sizeof(*f->left));
	f->right = xcalloc(f->cap, sizeof(*f->right));
	memcpy(f->up, parent, n * sizeof(*parent)); /* each node is a path by itself */
	f->up[0] = 0;
}

void forest_finish(struct forest *f)
{
	free(f->up);
	free(f->left);
	free(f->right);
	*f = (struct forest){0};
}

void forest_add(struct forest *f)
{
	if (f->n == f->cap) {
		f->cap = f->cap / 2 * 3 + 2;
		f->up = xrealloc(f->up, f->cap * sizeof(*f->up));
		f->left = xrealloc(f->left, f->cap * sizeof(*f->left));
		f->right = xrealloc(f->right, f->cap * sizeof(*f->right));
	}
	f->up[f->n] = f->left[f->n] = f->right[f->n] = 0;
	f->n++;
}

/* ---- binary trees ---- */

static bool is_root(const struct forest *f, uint32_t node)
{
	uint32_t up = f->up[node];
	return !up || (f->left[up] != node && f->right[up] != node);
}

/* Changes places with what is above it in the binary tree. */
static void rotate(struct forest *f, uint32_t node)
{
	uint32_t up = f->up[node], top = f->up[up];
	bool is_left = f->left[up] == node;
	uint32_t *near = is_left ? &f->left[up] : &f->right[up], *far = is_left ? &f->right[node] : &f->left[node];
	if (!is_root(f, up))
		*(f->left[top] == up ? &f->left[top] : &f->right[top]) = node;
	*near = *far;
	if (*near)
		f->up[*near] = up;
	*far = up;
	f->up[up] = node;
	f->up[node] = top;
}

/* Brings it to the root, and what was on the way nearer to it. */
static void splay(struct forest *f, uint32_t node)
{
	while (!is_root(f, node)) {
		uint32_t up = f->up[node];
		if (!is_root(f, up)) {
			bool same = (f->left[up] == node) == (f->left[f->up[up]] == up);
			rotate(f, same ? up : node);
		}
		rotate(f, node);
	}
}

/* ---- paths ---- */

/* Makes one path from the top of the tree down to the node, which is the root of its binary tree. */
static void expose(struct forest *f, uint32_t node)
{
	uint32_t below = 0;
	for (uint32_t at = node; at; at = f->up[at]) {
		splay(f, at);
		f->right[at] = below;
		below = at;
	}
	splay(f, node);
}

uint32_t forest_top(struct forest *f, uint32_t node)
{
	expose(f, node);
	while (f->left[node])
		node = f->left[node];
	splay(f, node);
	return node;
}

void forest_link(struct forest *f, uint32_t node, uint32_t parent)
{
	expose(f, node);
	invariant(!f->left[node]);
	f->up[node] = parent;
}

void forest_cut(struct forest *f, uint32_t node)
{
	expose(f, node);
	f->up[f->left[node]] = 0; /* of node 0 it is so already */
	f->left[node] = 0;
}
