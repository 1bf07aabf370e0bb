/* A disk that is watched, and that can fail: loaded before the C library, it stands between a program and its files.

   Of the files below DISK_ROOT it writes down each change in order, into DISK_TRACE:
     u8 operation, u64 inode, u64 offset, u64 length, then `length` bytes: content, or a path, or two paths with a NUL between.
   With DISK_FAIL_AT=n the n-th change and DISK_FAIL_COUNT - 1 behind it fail with DISK_ERRNO; with DISK_KILL_AT=n the program
   dies before the n-th. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MAKE_FOLDER };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static int trace = -1;
static long fail_at = -1, fail_count = 1, kill_at = -1, changes = 0;
static int fail_errno = ENOSPC;

static long number(const char *name, long otherwise) {
  const char *said = getenv(name);
  return said != NULL ? atol(said) : otherwise;
}

__attribute__((constructor)) static void begin(void) {
  const char *said = getenv("DISK_ROOT");
  if (said == NULL || realpath(said, root) == NULL) root[0] = '\0';
  const char *path = getenv("DISK_TRACE");
  if (path != NULL) trace = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  fail_at = number("DISK_FAIL_AT", -1);
  fail_count = number("DISK_FAIL_COUNT", 1);
  fail_errno = (int)number("DISK_ERRNO", ENOSPC);
  kill_at = number("DISK_KILL_AT", -1);
}

static int below(const char *path) {
  size_t length = strlen(root);
  return length > 0 && path != NULL && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int watched(int handle, uint64_t *inode) {
  char link[64], path[PATH_MAX];
  if (root[0] == '\0') return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  if (!below(path)) return 0;
  size_t end = strlen(path);
  if (end > 4 && strcmp(path + end - 4, "-shm") == 0) return 0;
  struct stat found;
  if (fstat(handle, &found) != 0) return 0;
  *inode = (uint64_t)found.st_ino;
  return 1;
}

/* Count a change; return whether it is to fail. */
static int fails(void) {
  changes += 1;
  if (changes == kill_at) kill(getpid(), SIGKILL);
  if (fail_at >= 0 && changes >= fail_at && changes < fail_at + fail_count) {
    errno = fail_errno;
    return 1;
  }
  return 0;
}

static void put(const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t done = syscall(SYS_write, trace, at, length);
    if (done <= 0) abort();
    at += done;
    length -= (size_t)done;
  }
}

static void note(uint8_t operation, uint64_t inode, uint64_t offset, const void *bytes, uint64_t length) {
  if (trace < 0) return;
  unsigned char head[25];
  head[0] = operation;
  memcpy(head + 1, &inode, 8);
  memcpy(head + 9, &offset, 8);
  memcpy(head + 17, &length, 8);
  put(head, sizeof head);
  if (bytes != NULL && length > 0) put(bytes, length);
}

static int open_watched(int folder, const char *path, int flags, mode_t mode) {
  char whole[PATH_MAX];
  if (path[0] == '/') snprintf(whole, sizeof whole, "%s", path);
  else if (folder != AT_FDCWD || getcwd(whole, sizeof whole) == NULL) return (int)syscall(SYS_openat, folder, path, flags, mode);
  else snprintf(whole + strlen(whole), sizeof whole - strlen(whole), "/%s", path);
  if (!below(whole) || !(flags & (O_CREAT | O_TRUNC))) return (int)syscall(SYS_openat, folder, path, flags, mode);
  pthread_mutex_lock(&guard);
  struct stat found;
  int is_new = stat(whole, &found) != 0;
  int handle = -1;
  if (!((is_new || (flags & O_TRUNC)) && fails())) {
    handle = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (handle >= 0 && fstat(handle, &found) == 0) {
      size_t end = strlen(whole);
      int is_shared = end > 4 && strcmp(whole + end - 4, "-shm") == 0;
      if (is_new && !is_shared) note(CREATE, (uint64_t)found.st_ino, 0, whole, end);
      else if ((flags & O_TRUNC) && !is_shared) note(TRUNCATE, (uint64_t)found.st_ino, 0, NULL, 0);
    }
  }
  int kept = errno;
  pthread_mutex_unlock(&guard);
  errno = kept;
  return handle;
}

#define MODE()                                      \
  mode_t mode = 0;                                  \
  if (flags & (O_CREAT | O_TMPFILE)) {              \
    va_list rest;                                   \
    va_start(rest, flags);                          \
    mode = (mode_t)va_arg(rest, int);               \
    va_end(rest);                                   \
  }

int open(const char *path, int flags, ...) { MODE() return open_watched(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE() return open_watched(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE() return open_watched(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE() return open_watched(folder, path, flags, mode); }

static ssize_t write_at(int handle, const void *bytes, size_t length, int64_t offset) {
  uint64_t inode;
  if (!watched(handle, &inode))
    return offset < 0 ? syscall(SYS_write, handle, bytes, length) : syscall(SYS_pwrite64, handle, bytes, length, offset);
  pthread_mutex_lock(&guard);
  ssize_t done = -1;
  if (!fails()) {
    int64_t at = offset;
    if (at < 0) at = (fcntl(handle, F_GETFL) & O_APPEND) ? lseek(handle, 0, SEEK_END) : lseek(handle, 0, SEEK_CUR);
    done = offset < 0 ? syscall(SYS_write, handle, bytes, length) : syscall(SYS_pwrite64, handle, bytes, length, offset);
    if (done > 0) note(WRITE, inode, (uint64_t)at, bytes, (uint64_t)done);
  }
  int kept = errno;
  pthread_mutex_unlock(&guard);
  errno = kept;
  return done;
}

ssize_t write(int handle, const void *bytes, size_t length) { return write_at(handle, bytes, length, -1); }
ssize_t pwrite(int handle, const void *bytes, size_t length, off_t at) { return write_at(handle, bytes, length, at); }
ssize_t pwrite64(int handle, const void *bytes, size_t length, off64_t at) { return write_at(handle, bytes, length, at); }

static int resize(int handle, int64_t length, int only_longer) {
  uint64_t inode;
  int is_watched = watched(handle, &inode);
  if (is_watched) pthread_mutex_lock(&guard);
  int done = -1;
  if (!is_watched || !fails()) {
    done = (int)(only_longer ? syscall(SYS_fallocate, handle, 0, 0, length) : syscall(SYS_ftruncate, handle, length));
    if (done == 0 && is_watched) note(TRUNCATE, inode, (uint64_t)length, NULL, 0);
  }
  int kept = errno;
  if (is_watched) pthread_mutex_unlock(&guard);
  errno = kept;
  return done;
}

int ftruncate(int handle, off_t length) { return resize(handle, length, 0); }
int ftruncate64(int handle, off64_t length) { return resize(handle, length, 0); }
int posix_fallocate(int handle, off_t at, off_t length) { return resize(handle, at + length, 1) == 0 ? 0 : errno; }
int posix_fallocate64(int handle, off64_t at, off64_t length) { return resize(handle, at + length, 1) == 0 ? 0 : errno; }

static int synced(int handle, long call) {
  uint64_t inode;
  if (!watched(handle, &inode)) return (int)syscall(call, handle);
  pthread_mutex_lock(&guard);
  int done = -1;
  if (!fails()) {
    note(SYNC, inode, 0, NULL, 0); /* what it says is that all before is safe; the disk below may do nothing */
    done = 0;
  }
  int kept = errno;
  pthread_mutex_unlock(&guard);
  errno = kept;
  return done;
}

int fsync(int handle) { return synced(handle, SYS_fsync); }
int fdatasync(int handle) { return synced(handle, SYS_fdatasync); }

static int named(uint8_t operation, const char *path, const char *second, int (*change)(const char *, const char *)) {
  if (!below(path)) return change(path, second);
  pthread_mutex_lock(&guard);
  int done = -1;
  if (!fails()) {
    done = change(path, second);
    if (done == 0) {
      char both[2 * PATH_MAX];
      size_t length = (size_t)snprintf(both, sizeof both, "%s", path);
      if (second != NULL) length += 1 + (size_t)snprintf(both + length + 1, sizeof both - length - 1, "%s", second);
      note(operation, 0, 0, both, length);
    }
  }
  int kept = errno;
  pthread_mutex_unlock(&guard);
  errno = kept;
  return done;
}

static int do_rename(const char *path, const char *second) { return (int)syscall(SYS_renameat, AT_FDCWD, path, AT_FDCWD, second); }
static int do_unlink(const char *path, const char *second) { (void)second; return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }
static int do_mkdir(const char *path, const char *second) { (void)second; return (int)syscall(SYS_mkdirat, AT_FDCWD, path, 0755); }

int rename(const char *path, const char *second) { return named(RENAME, path, second, do_rename); }
int unlink(const char *path) { return named(UNLINK, path, NULL, do_unlink); }
int mkdir(const char *path, mode_t mode) { (void)mode; return named(MAKE_FOLDER, path, NULL, do_mkdir); }
