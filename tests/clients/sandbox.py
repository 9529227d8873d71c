#!/usr/bin/env python3
"""sandbox.py UNIT COMMAND...: runs the command under what the unit's SystemCallFilter, RestrictAddressFamilies, MemoryDenyWriteExecute,
RestrictNamespaces and NoNewPrivileges forbid, by the same means as systemd: a seccomp filter."""
import ctypes, errno, os, pathlib, re, socket, subprocess, sys

KILL, ALLOW, ERRNO = 0x80000000, 0x7fff0000, 0x00050000  # of seccomp.h
NO_NEW_PRIVS = 38
NE, EQ, MASKED = 1, 4, 7
PROT_WRITE, PROT_EXEC = 2, 4
NAMESPACES = 0x7e020080  # CLONE_NEW*


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def missing():
    try:
        ctypes.CDLL("libseccomp.so.2")
        subprocess.run(["systemd-analyze", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "it needs libseccomp2 and systemd-analyze"
    return None


def expand(group):
    """The names of a group of system calls, and of the groups in it."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    names = set()
    for word in re.findall(r"(?m)^ +(@?[a-z0-9_-]+)$", text):
        names |= expand(word) if word.startswith("@") else {word}
    return names


def value(unit, option):
    return re.search(rf"(?m)^{option}=(.*)$", unit).group(1)


def restrict(unit):
    names = set()
    for line in re.findall(r"(?m)^SystemCallFilter=(~?)(.*)$", unit):
        of_line = set().union(*(expand(word) if word.startswith("@") else {word} for word in line[1].split()))
        names = names - of_line if line[0] else names | of_line
    assert "read" in names and "ptrace" not in names, names
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison)]
    context = lib.seccomp_init(ERRNO | errno.EPERM)

    def add(action, name, *comparisons):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (Comparison * max(1, len(comparisons)))(*comparisons)
            assert lib.seccomp_rule_add_array(context, action, number, len(comparisons), array) == 0, name

    for name in names - {"socket", "mmap", "mprotect", "clone", "clone3", "unshare", "setns"}:
        add(ALLOW, name)
    for family in value(unit, "RestrictAddressFamilies").split():
        add(ALLOW, "socket", Comparison(0, EQ, getattr(socket, family), 0))
    assert value(unit, "MemoryDenyWriteExecute") == "true" and value(unit, "RestrictNamespaces") == "true"
    add(ALLOW, "mmap", Comparison(2, MASKED, PROT_EXEC, 0))
    add(ALLOW, "mmap", Comparison(2, MASKED, PROT_EXEC | PROT_WRITE, PROT_EXEC))
    add(ALLOW, "mprotect", Comparison(2, MASKED, PROT_EXEC, 0))
    add(ALLOW, "clone", Comparison(0, MASKED, NAMESPACES, 0))
    add(ERRNO | errno.ENOSYS, "clone3")  # its flags cannot be seen: the C library falls back, as under systemd
    assert value(unit, "NoNewPrivileges") == "true"
    ctypes.CDLL(None).prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    assert lib.seccomp_load(context) == 0, "the filter is not taken"


def main():
    restrict(pathlib.Path(sys.argv[1]).read_text())
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
