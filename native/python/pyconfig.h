/* In place of the pyconfig.h of the machine that compiles: the sizes of the machine compiled for.
 *
 * It is included before Python.h, and its guard is that of CPython's own file. */
#ifndef Py_PYCONFIG_H
#define Py_PYCONFIG_H

#define SIZEOF_SHORT __SIZEOF_SHORT__
#define SIZEOF_INT __SIZEOF_INT__
#define SIZEOF_LONG __SIZEOF_LONG__
#define SIZEOF_LONG_LONG __SIZEOF_LONG_LONG__
#define SIZEOF_VOID_P __SIZEOF_POINTER__
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__
#define SIZEOF_WCHAR_T __SIZEOF_WCHAR_T__
#define ALIGNOF_SIZE_T __SIZEOF_SIZE_T__
#define HAVE_STDINT_H 1
#define HAVE_UNISTD_H 1
#define _POSIX_C_SOURCE 200809L

#endif
