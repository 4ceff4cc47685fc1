# SPDX-License-Identifier: BSD-3-Clause
# What configure.ac is written in. Every optional part goes through MMB_OPTIONAL, so all of them
# take the same values, fail the same way and appear in the same table.

# MMB_TRY_FLAG(flag, variable): appends the flag to the variable when the compiler and linker take it.
AC_DEFUN([MMB_TRY_FLAG], [
AC_MSG_CHECKING([whether $CC accepts $1])
mmb_saved_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS $1"
AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
  [AC_MSG_RESULT([yes]); $2="$$2 $1"],
  [AC_MSG_RESULT([no])])
CFLAGS=$mmb_saved_CFLAGS
])

# MMB_DEVELOPER_SWITCHES: --enable-debug, --enable-werror, --enable-coverage, --enable-sanitizer.
AC_DEFUN([MMB_DEVELOPER_SWITCHES], [
MMB_CPPFLAGS=
MMB_CFLAGS="-std=gnu11 -fvisibility=hidden -Wall -Wextra"
MMB_LDFLAGS=
# Two counters that lie side by side must not be added to in one vector: the next call loads one of them
# right after, and waits until the whole vector has been stored.
MMB_TRY_FLAG([-fno-tree-slp-vectorize], [MMB_CFLAGS])
AC_ARG_ENABLE([debug],
  [AS_HELP_STRING([--enable-debug], [check every object's invariants at run time (slow)])],
  [], [enable_debug=no])
AS_IF([test "x$enable_debug" != xno], [MMB_CPPFLAGS="$MMB_CPPFLAGS -DMMB_DEBUG=1"])
AC_ARG_ENABLE([werror],
  [AS_HELP_STRING([--enable-werror], [developers: more warnings, each an error])],
  [], [enable_werror=no])
AS_IF([test "x$enable_werror" != xno],
  [MMB_CFLAGS="$MMB_CFLAGS -Wundef -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror"])
AC_ARG_ENABLE([coverage],
  [AS_HELP_STRING([--enable-coverage], [instrument for gcov])],
  [], [enable_coverage=no])
AS_IF([test "x$enable_coverage" != xno],
  [MMB_CFLAGS="$MMB_CFLAGS --coverage -O0 -g" MMB_LDFLAGS="$MMB_LDFLAGS --coverage"])
AC_ARG_ENABLE([sanitizer],
  [AS_HELP_STRING([--enable-sanitizer=LIST], [address,undefined or thread])],
  [], [enable_sanitizer=no])
AS_CASE([$enable_sanitizer],
  [no], [],
  [yes], [AC_MSG_ERROR([--enable-sanitizer needs a list: address,undefined or thread])],
  [mmb_sanitizer="-fsanitize=$enable_sanitizer"
   mmb_sanitizer_used=
   MMB_TRY_FLAG([$mmb_sanitizer], [mmb_sanitizer_used])
   AS_IF([test "x$mmb_sanitizer_used" = x],
     [AC_MSG_ERROR([this compiler cannot build with -fsanitize=$enable_sanitizer])])
   MMB_CFLAGS="$MMB_CFLAGS $mmb_sanitizer -fno-sanitize-recover=all -fno-omit-frame-pointer -g"
   MMB_LDFLAGS="$MMB_LDFLAGS $mmb_sanitizer"])
AC_SUBST([MMB_CPPFLAGS])
AC_SUBST([MMB_CFLAGS])
AC_SUBST([MMB_LDFLAGS])
])

# MMB_CHECK_LINKER: the linker switches of the shared library. -z defs is left out under a sanitizer,
# whose runtime clang links into programs only.
AC_DEFUN([MMB_CHECK_LINKER], [
MMB_SHARED_LDFLAGS=
MMB_TRY_FLAG([-Wl,-z,nodelete], [MMB_SHARED_LDFLAGS])
AS_IF([test "x$enable_sanitizer" = xno], [MMB_TRY_FLAG([-Wl,-z,defs], [MMB_SHARED_LDFLAGS])])
AC_MSG_CHECKING([whether the linker takes a version script])
echo 'MMB_0 { local: *; };' >conftest.map
mmb_saved_LDFLAGS=$LDFLAGS
LDFLAGS="$LDFLAGS -shared -fPIC -Wl,--version-script=conftest.map"
AC_LINK_IFELSE([AC_LANG_SOURCE([[int mmb_conftest(void); int mmb_conftest(void) { return 0; }]])],
  [mmb_version_script=yes], [mmb_version_script=no])
LDFLAGS=$mmb_saved_LDFLAGS
rm -f conftest.map
AC_MSG_RESULT([$mmb_version_script])
AM_CONDITIONAL([HAVE_VERSION_SCRIPT], [test "x$mmb_version_script" = xyes])
AC_SUBST([MMB_SHARED_LDFLAGS])
])

# MMB_OPTIONAL(name, DEFINE, here|apart|later, switch, probe)
# Declares the switch, runs the probe unless the user said no, and settles four things: MMB_HAVE_DEFINE
# in config.h, the automake conditional HAVE_DEFINE, DEFINE_CPPFLAGS and DEFINE_LIBS, a row of the
# table. The probe sets mmb_found and mmb_detail and reads mmb_prefix (a directory, or empty).
AC_DEFUN([MMB_OPTIONAL], [
m4_if([$4], [--enable-discovery],
  [AC_ARG_ENABLE([discovery],
     [AS_HELP_STRING([--enable-discovery@<:@=WISH@:>@], [find memory layers with hwloc: yes, no, auto or an install prefix @<:@auto@:>@])],
     [mmb_wish=$enableval], [mmb_wish=auto])],
  [AC_ARG_WITH([$1],
     [AS_HELP_STRING([--with-$1@<:@=WISH@:>@], [$1 part: yes, no, auto or an install prefix @<:@auto@:>@])],
     [mmb_wish=$withval], [mmb_wish=auto])])
mmb_found=no
mmb_detail="switched off"
mmb_built=no
$2_CPPFLAGS=
$2_LIBS=
AS_CASE([$mmb_wish], [yes|no|auto], [mmb_prefix=], [mmb_prefix=$mmb_wish])
AS_IF([test "x$mmb_wish" != xno], [
  $5])
AS_IF([test "x$mmb_found" = xyes], [m4_if([$3], [later], [mmb_built="later release"], [mmb_built=yes])],
  [m4_if([$3], [later], [mmb_built="later release"])])
AS_CASE([$mmb_wish],
  [no|auto], [],
  [AS_IF([test "x$mmb_built" = "xlater release"],
     [AC_MSG_ERROR([$4=$mmb_wish: this release of $PACKAGE_NAME has no $1 backend; a later one will ($1 itself: $mmb_detail)])])
   AS_IF([test "x$mmb_built" != xyes],
     [AC_MSG_ERROR([$4=$mmb_wish cannot be met: $mmb_detail])])])
AS_IF([test "x$mmb_built" = xyes],
  [AC_DEFINE([MMB_HAVE_$2], [1], [Define to 1 when $1 is used])
   m4_if([$3], [apart], [], [MMB_LIBS_PRIVATE="$MMB_LIBS_PRIVATE $$2_LIBS"])],
  [$2_CPPFLAGS= $2_LIBS=])
AM_CONDITIONAL([HAVE_$2], [test "x$mmb_built" = xyes])
AC_SUBST([$2_CPPFLAGS])
AC_SUBST([$2_LIBS])
MMB_SUMMARY_ROW([$1], [$mmb_wish], [$mmb_found], [$mmb_built], [$mmb_detail])
])

# MMB_OPTIONAL_DONE: what mmb.pc needs of the parts above.
AC_DEFUN([MMB_OPTIONAL_DONE], [
AC_SUBST([MMB_LIBS_PRIVATE])
])

# MMB_PROBE_PC(DEFINE, pkg-config module, header, function, library [, cpp flags])
# pkg-config first; then, or below a prefix, the header and the library themselves.
AC_DEFUN([MMB_PROBE_PC], [
AS_IF([test "x$mmb_prefix" = x],
  [PKG_CHECK_MODULES([$1], [$2],
     [mmb_found=yes
      $1_CPPFLAGS="$$1_CFLAGS $6"
      mmb_detail="$2, version `$PKG_CONFIG --modversion m4_bpatsubst([$2], [ .*])`"], [:])],
  [$1_CPPFLAGS="-I$mmb_prefix/include $6"
   AS_IF([test -d "$mmb_prefix/lib64"], [$1_LIBS="-L$mmb_prefix/lib64 -L$mmb_prefix/lib"],
     [$1_LIBS="-L$mmb_prefix/lib"])])
AS_IF([test "x$mmb_prefix" != x && ! test -f "$mmb_prefix/include/$3"],
  [mmb_detail="no $3 in $mmb_prefix/include"],
  [test "x$mmb_found" = xno],
  [AS_IF([test "x$mmb_prefix" = x], [$1_CPPFLAGS="$6" $1_LIBS=])
   mmb_saved_CPPFLAGS=$CPPFLAGS mmb_saved_LIBS=$LIBS
   CPPFLAGS="$$1_CPPFLAGS $CPPFLAGS" LIBS="$$1_LIBS -l$5 $LIBS"
   AC_MSG_CHECKING([for $3 and -l$5 without pkg-config])
   AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <$3>]], [[return !(void *)&$4;]])],
     [mmb_found=yes $1_LIBS="$$1_LIBS -l$5" mmb_detail="$3 and -l$5 in ${mmb_prefix:-the system}"],
     [mmb_detail="$2 not found"])
   AC_MSG_RESULT([$mmb_found])
   CPPFLAGS=$mmb_saved_CPPFLAGS LIBS=$mmb_saved_LIBS])
])

# MMB_PROBE_HEADER(DEFINE, header, condition, directories [, cpp flags])
# For runtimes that are opened at run time: only the header counts.
AC_DEFUN([MMB_PROBE_HEADER], [
mmb_detail="no usable $2 in ${mmb_prefix:-the system, $4}"
for mmb_dir in ${mmb_prefix:-SYSTEM $4}; do
  AS_IF([test "x$mmb_dir" != xSYSTEM && ! test -f "$mmb_dir/include/$2"], [continue])
  AS_IF([test "x$mmb_dir" = xSYSTEM], [$1_CPPFLAGS="$5"], [$1_CPPFLAGS="-I$mmb_dir/include $5"])
  mmb_saved_CPPFLAGS=$CPPFLAGS
  CPPFLAGS="$$1_CPPFLAGS $CPPFLAGS"
  AC_MSG_CHECKING([for $2 in $mmb_dir])
  AC_COMPILE_IFELSE([AC_LANG_SOURCE([[#include <$2>
#if !($3)
#error too old
#endif
]])], [mmb_found=yes mmb_detail="$2 in $mmb_dir"])
  AC_MSG_RESULT([$mmb_found])
  CPPFLAGS=$mmb_saved_CPPFLAGS
  AS_IF([test "x$mmb_found" = xyes], [break])
done
])

# MMB_CHECK_CUNIT: without it `make check` runs only the scripts and examples, and says so.
AC_DEFUN([MMB_CHECK_CUNIT], [
PKG_CHECK_MODULES([CUNIT], [cunit], [have_cunit=yes],
  [AC_CHECK_HEADER([CUnit/CUnit.h],
     [have_cunit=yes CUNIT_CFLAGS= CUNIT_LIBS=-lcunit], [have_cunit=no])])
AM_CONDITIONAL([HAVE_CUNIT], [test "x$have_cunit" = xyes])
MMB_SUMMARY_ROW([CUnit], [auto], [$have_cunit], [tests], [${CUNIT_LIBS:-without it the unit tests are skipped}])
])

# MMB_CHECK_FORTRAN: without a compiler for it there is no libmmb_fortran. Neither is there one under a
# sanitizer, whose runtime for gfortran would have to be the one of the C compiler.
AC_DEFUN([MMB_CHECK_FORTRAN], [
mmb_fortran=no
MMB_FCFLAGS=
AS_IF([test "x$FC" = x], [mmb_detail="no gfortran; FC names another compiler"],
  [test "x$enable_sanitizer" != xno], [mmb_detail="not under a sanitizer"],
  [AC_LANG_PUSH([Fortran])
   AC_FC_SRCEXT([f90], [mmb_fortran=yes], [mmb_fortran=no])
   AC_FC_MODULE_FLAG([], [mmb_fortran=no])
   AC_FC_MODULE_OUTPUT_FLAG([], [mmb_fortran=no])
   AC_LANG_POP([Fortran])
   mmb_detail="$FC"])
AS_IF([test "x$mmb_fortran$enable_werror$ac_cv_fc_compiler_gnu" = xyesyesyes],
  [MMB_FCFLAGS="-std=f2008 -Wall -Wextra -Wno-function-elimination -Werror"])
AM_CONDITIONAL([HAVE_FORTRAN], [test "x$mmb_fortran" = xyes])
AC_SUBST([MMB_FCFLAGS])
MMB_SUMMARY_ROW([Fortran], [auto], [$mmb_fortran], [$mmb_fortran], [$mmb_detail])
])

# MMB_CHECK_BOOST: boost.interprocess, which mmb-bench measures against. The library needs neither it nor C++.
AC_DEFUN([MMB_CHECK_BOOST], [
AC_LANG_PUSH([C++])
AC_MSG_CHECKING([for boost.interprocess])
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <boost/interprocess/managed_shared_memory.hpp>]],
    [[boost::interprocess::shared_memory_object::remove("mmb-conftest");]])],
  [have_boost=yes mmb_detail="mmb-bench compares shared heaps with it"],
  [have_boost=no mmb_detail="mmb-bench goes without it"])
AC_MSG_RESULT([$have_boost])
AC_LANG_POP([C++])
MMB_BENCH_CXXFLAGS="-Wall -Wextra"
AS_IF([test "x$enable_werror" != xno], [MMB_BENCH_CXXFLAGS="$MMB_BENCH_CXXFLAGS -Werror"])
AM_CONDITIONAL([HAVE_BOOST], [test "x$have_boost" = xyes])
AC_SUBST([MMB_BENCH_CXXFLAGS])
MMB_SUMMARY_ROW([boost], [auto], [$have_boost], [bench], [$mmb_detail])
])

# MMB_SUMMARY_ROW(name, wish, found, built, detail) and MMB_SUMMARY print the table at the end.
AC_DEFUN([MMB_SUMMARY_ROW], [
mmb_row=`printf '    %-10s %-10s %-6s %-14s %s' "$1" "$2" "$3" "$4" "$5"`
mmb_rows="$mmb_rows
$mmb_row"
])
AC_DEFUN([MMB_SUMMARY], [
AC_MSG_NOTICE([
  $PACKAGE_NAME $PACKAGE_VERSION
    part       wish       found  built          detail
    ----       ----       -----  -----          ------
    malloc     -          -      yes            host memory
    mmap       -          -      yes            host memory
    array      -          -      yes            the caller's buffer
    file       -          -      yes            drives, persistent memory$mmb_rows

    debug checks: $enable_debug    sanitizer: $enable_sanitizer    warnings are errors: $enable_werror
])])
