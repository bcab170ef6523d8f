// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Files, as everything else in the library sees them. Every failure is a typed error that names the file and the
/// system's reason (missing: `not_found`, no access: `permission_denied`, disk or quota full: `resource_exhausted`, a
/// file shorter than promised: `data_loss`); interrupted and short reads and writes are finished, never returned.
/// What is written with `atomic_write` or `atomic_file` is either wholly there after a crash or not at all: temporary
/// file in the same directory, fsync, rename, fsync of the directory.
///
///     io::atomic_write("model/note.txt", "done");
///     std::string text = io::read_file("model/note.txt");

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "rill/core/error.hpp"
#include "rill/core/text.hpp"

namespace rill::io {

/// Largest file `read_file` takes into memory unless told otherwise: 2 GiB.
inline constexpr std::uint64_t default_file_limit = std::uint64_t{1} << 31;

namespace detail {

inline constexpr std::size_t io_step = std::size_t{1} << 20;

/// Throws the typed error of an errno value: "cannot open 'x': No such file or directory".
[[gnu::cold]] [[noreturn]] inline void throw_errno(std::string_view action, const std::string& path, int err) {
  const std::string m = "cannot " + std::string(action) + " '" + path + "': " + std::generic_category().message(err);
  switch (err) {
    case ENOENT: throw not_found(m);
    case EACCES:
    case EPERM:
    case EROFS: throw permission_denied(m);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: throw resource_exhausted(m);
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ENOTEMPTY:
    case EBUSY:
    case EXDEV: throw failed_precondition(m);
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP: throw invalid_argument(m);
    case EIO: throw data_loss(m);
    default: throw error("UNKNOWN", m);
  }
}

/// The path the system understands: "file://" is dropped, another scheme is refused, and so is an embedded zero byte
/// (the system would silently open the name before it).
inline std::string local_path(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    rill::detail::raise<invalid_argument>({"the file name '", path.c_str(), "...' contains a zero byte"});
  const std::size_t at = path.find("://");
  if (at == std::string::npos || path.find('/') < at) return path;
  if (path.compare(0, at, "file") == 0) return path.substr(at + 3);
  rill::detail::raise<unimplemented>({"no file system is registered for '", path.substr(0, at + 3), "' (path '", path,
                                      "')"});
}

/// A file descriptor that closes itself.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& o) noexcept {
    if (this != &o) {
      reset();
      fd_ = std::exchange(o.fd_, -1);
    }
    return *this;
  }
  unique_fd(const unique_fd&) = delete;
  unique_fd& operator=(const unique_fd&) = delete;
  ~unique_fd() { reset(); }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

[[gnu::cold]] inline unique_fd open_or_throw(const std::string& path, int flags, std::string_view action) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (fd >= 0) return unique_fd(fd);
    if (errno != EINTR) throw_errno(action, path, errno);
  }
}

inline void write_all(int fd, const char* p, std::size_t n, const std::string& path) {
  while (n > 0) {
    const ssize_t k = ::write(fd, p, std::min(n, std::size_t{1} << 30));
    if (k < 0) {
      if (errno == EINTR) continue;
      throw_errno("write", path, errno);
    }
    if (k == 0) throw_errno("write", path, ENOSPC);
    p += k;
    n -= static_cast<std::size_t>(k);
  }
}

/// Reads at most `n` bytes at `offset`, fewer only at the end of the file.
inline std::size_t pread_all(int fd, char* p, std::size_t n, std::uint64_t offset, const std::string& path) {
  std::size_t done = 0;
  while (done < n) {
    const ssize_t k =
        ::pread(fd, p + done, std::min(n - done, std::size_t{1} << 30), static_cast<off_t>(offset + done));
    if (k < 0) {
      if (errno == EINTR) continue;
      throw_errno("read", path, errno);
    }
    if (k == 0) break;
    done += static_cast<std::size_t>(k);
  }
  return done;
}

[[gnu::cold]] inline void sync_fd(int fd, const std::string& path) {
  while (::fsync(fd) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL) return;  // a pipe, a device, or a directory on a file system that has nothing to sync
    throw_errno("sync", path, errno);
  }
}

}  // namespace detail

/// "a/b" + "c" = "a/b/c"; an absolute second part stands alone.
[[gnu::cold]] inline std::string join_path(const std::string& dir, const std::string& name) {
  if (dir.empty() || (!name.empty() && name.front() == '/')) return name;
  return dir.back() == '/' ? dir + name : dir + "/" + name;
}

/// The directory part: "a/b" of "a/b/c", "." of "c", "/" of "/c".
[[gnu::cold]] inline std::string dir_name(const std::string& path) {
  const std::size_t at = path.rfind('/');
  if (at == std::string::npos) return ".";
  const std::size_t end = path.find_last_not_of('/', at);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

/// The last part: "c" of "a/b/c".
[[gnu::cold]] inline std::string base_name(const std::string& path) {
  const std::size_t at = path.rfind('/');
  return at == std::string::npos ? path : path.substr(at + 1);
}

/// Whether a name that came from a file stays below the directory it is relative to: not empty, not absolute, no "..".
[[gnu::cold]] inline bool is_beneath(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\0') != std::string_view::npos) return false;
  while (!name.empty()) {
    const std::size_t at = name.find('/');
    if (name.substr(0, at) == "..") return false;
    name = at == std::string_view::npos ? std::string_view{} : name.substr(at + 1);
  }
  return true;
}

/// Whether a file or directory of this name is there. `permission_denied` when that cannot be known.
inline bool exists(const std::string& path) {
  struct stat st {};
  if (::stat(detail::local_path(path).c_str(), &st) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  detail::throw_errno("look up", path, errno);
}

/// Whether the name is a directory.
inline bool is_directory(const std::string& path) {
  struct stat st {};
  if (::stat(detail::local_path(path).c_str(), &st) == 0) return S_ISDIR(st.st_mode);
  if (errno == ENOENT || errno == ENOTDIR) return false;
  detail::throw_errno("look up", path, errno);
}

/// Size of a file in bytes.
[[gnu::cold]] inline std::uint64_t file_size(const std::string& path) {
  struct stat st {};
  if (::stat(detail::local_path(path).c_str(), &st) != 0) detail::throw_errno("look up", path, errno);
  return static_cast<std::uint64_t>(st.st_size);
}

/// The whole file. A file larger than `limit` bytes is `resource_exhausted`, found before it is read; memory grows with
/// what was read, not with what a size field claims.
[[gnu::cold]] inline std::string read_file(const std::string& path, std::uint64_t limit = default_file_limit) {
  const std::string local = detail::local_path(path);
  const detail::unique_fd fd = detail::open_or_throw(local, O_RDONLY, "open");
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) detail::throw_errno("look up", local, errno);
  const auto too_large = [&](std::uint64_t size) {
    rill::detail::raise<resource_exhausted>({"'", path, "' has at least ", size, " bytes, more than the limit of ", limit});
  };
  std::string out;
  if (S_ISREG(st.st_mode)) {
    if (static_cast<std::uint64_t>(st.st_size) > limit) too_large(static_cast<std::uint64_t>(st.st_size));
    out.reserve(static_cast<std::size_t>(st.st_size) + 1);  // one more, so that the read that finds the end fits too
  }
  for (;;) {
    const std::size_t old = out.size();
    const std::size_t want =
        out.capacity() > old ? std::min(out.capacity() - old, detail::io_step) : detail::io_step / 16;
    out.resize(old + want);
    const ssize_t k = ::read(fd.get(), out.data() + old, want);
    const int err = errno;
    out.resize(old + (k > 0 ? static_cast<std::size_t>(k) : 0));
    if (k < 0 && err != EINTR) detail::throw_errno("read", local, err);
    if (k == 0) return out;
    if (out.size() > limit) too_large(out.size());
  }
}

/// Names in a directory, sorted, without "." and "..".
[[gnu::cold]] inline std::vector<std::string> list_dir(const std::string& path) {
  const std::string local = detail::local_path(path);
  DIR* d = ::opendir(local.c_str());
  if (d == nullptr) detail::throw_errno("list", path, errno);
  std::vector<std::string> names;
  int err = 0;
  try {
    for (;;) {
      errno = 0;
      const dirent* e = ::readdir(d);
      if (e == nullptr) {
        err = errno;
        break;
      }
      const std::string_view name = e->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
  } catch (...) {
    ::closedir(d);
    throw;
  }
  ::closedir(d);
  if (err != 0) detail::throw_errno("list", path, err);
  std::make_heap(names.begin(), names.end());  // a fraction of the code of std::sort
  std::sort_heap(names.begin(), names.end());
  return names;
}

/// Makes the names in a directory durable: a rename or a new file survives a power cut only after this.
[[gnu::cold]] inline void sync_dir(const std::string& path) {
  const std::string local = detail::local_path(path);
  const detail::unique_fd fd = detail::open_or_throw(local, O_RDONLY | O_DIRECTORY, "open directory");
  detail::sync_fd(fd.get(), local);
}

/// Creates a directory and those above it; one that is there already is fine, a file in its place is
/// `failed_precondition`.
[[gnu::cold]] inline void make_dirs(const std::string& path) {
  const std::string local = detail::local_path(path);
  if (local.empty()) rill::detail::raise<invalid_argument>({"cannot create a directory with an empty name"});
  for (std::size_t at = 1;; ++at) {
    at = std::min(local.find('/', at), local.size());
    const std::string part = local.substr(0, at);
    if (::mkdir(part.c_str(), 0777) == 0) {
      sync_dir(dir_name(part));
    } else if (const int err = errno; !is_directory(part)) {
      detail::throw_errno("create directory", part, err == EEXIST ? ENOTDIR : err);
    }
    if (at == local.size()) return;
  }
}

/// Deletes a file (not a directory). Missing: `not_found`.
[[gnu::cold]] inline void remove(const std::string& path) {
  if (::unlink(detail::local_path(path).c_str()) != 0) detail::throw_errno("remove", path, errno);
}

/// Deletes a file if it is there; true if it was.
[[gnu::cold]] inline bool remove_if_exists(const std::string& path) {
  if (::unlink(detail::local_path(path).c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  detail::throw_errno("remove", path, errno);
}

/// Renames a file within one file system, replacing the target in one step. Durable after `sync_dir`.
[[gnu::cold]] inline void rename(const std::string& from, const std::string& to) {
  if (::rename(detail::local_path(from).c_str(), detail::local_path(to).c_str()) != 0)
    detail::throw_errno("rename '" + from + "' to", to, errno);
}

/// How `writable_file` opens: `truncate` starts anew, `append` continues, `create` fails if the name is taken.
enum class write_mode { truncate, append, create };

/// A buffered file to write to. Errors surface at the call that meets them (at the latest in `close`) and stay: after
/// one, every later call throws `failed_precondition`, so a lost byte cannot be followed by a reported success.
/// The destructor flushes what it can and cannot report; call `close`.
class writable_file {
 public:
  writable_file() = default;
  explicit writable_file(const std::string& path, write_mode mode = write_mode::truncate)
      : path_(detail::local_path(path)),
        fd_(detail::open_or_throw(path_,
                                  O_WRONLY | O_CREAT |
                                      (mode == write_mode::truncate ? O_TRUNC
                                       : mode == write_mode::append ? O_APPEND
                                                                    : O_EXCL),
                                  "create")) {}
  writable_file(writable_file&&) noexcept = default;
  writable_file& operator=(writable_file&& o) noexcept {
    if (this != &o) {
      quiet_close();
      path_ = std::move(o.path_);
      fd_ = std::move(o.fd_);
      buffer_ = std::move(o.buffer_);
      written_ = o.written_;
      failed_ = o.failed_;
      o.buffer_.clear();
    }
    return *this;
  }
  ~writable_file() { quiet_close(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool is_open() const { return fd_.valid(); }
  /// Bytes appended through this object.
  [[nodiscard]] std::uint64_t bytes_written() const { return written_; }

  /// Adds bytes at the end, through a 64 KiB buffer.
  void append(std::string_view bytes) {
    check();
    if (buffer_.size() + bytes.size() > buffer_size) {
      flush();
      if (bytes.size() >= buffer_size) {
        write(bytes);
        written_ += bytes.size();
        return;
      }
    }
    if (buffer_.capacity() < buffer_size) buffer_.reserve(buffer_size);
    buffer_.append(bytes);
    written_ += bytes.size();
  }
  void append(const void* data, std::size_t bytes) { append({static_cast<const char*>(data), bytes}); }

  /// Hands the buffer to the system: another process now sees it, a power cut may still lose it.
  void flush() {
    check();
    if (buffer_.empty()) return;
    write(buffer_);
    buffer_.clear();
  }

  /// Flushes and waits until the bytes are on the disk.
  [[gnu::cold]] void sync() {
    flush();
    try {
      detail::sync_fd(fd_.get(), path_);
    } catch (...) {
      failed_ = true;  // after a failed fsync nobody knows what is on the disk
      throw;
    }
  }

  /// Flushes and closes; closing twice is fine.
  [[gnu::cold]] void close() {
    if (!fd_.valid() && !failed_) return;
    flush();
    if (::close(fd_.release()) != 0 && errno != EINTR) {
      failed_ = true;
      detail::throw_errno("close", path_, errno);
    }
  }

 private:
  static constexpr std::size_t buffer_size = 1 << 16;

  [[gnu::cold]] void check() const {
    if (failed_) rill::detail::raise<failed_precondition>({"an earlier write to '", path_,
                                                           "' failed; the file is incomplete"});
    if (!fd_.valid()) rill::detail::raise<failed_precondition>({"'", path_, "' is not open for writing"});
  }
  [[gnu::cold]] void write(std::string_view bytes) {
    try {
      detail::write_all(fd_.get(), bytes.data(), bytes.size(), path_);
    } catch (...) {
      failed_ = true;
      buffer_.clear();
      throw;
    }
  }
  [[gnu::cold]] void quiet_close() noexcept {
    if (!fd_.valid()) return;
    try {
      if (!failed_) flush();
    } catch (...) {  // a destructor has nobody to tell
    }
    fd_.reset();
  }

  std::string path_;
  detail::unique_fd fd_;
  std::string buffer_;
  std::uint64_t written_ = 0;
  bool failed_ = false;
};

/// A file that appears under its name whole and durable at `commit`, or not at all: until then (and for ever, if
/// `commit` is not reached) only a temporary file beside it exists, deleted by the destructor.
class atomic_file {
 public:
  [[gnu::cold]] explicit atomic_file(const std::string& path) : path_(detail::local_path(path)) {
    static std::atomic<unsigned> counter{0};
    for (int tries = 0;; ++tries) {
      temp_ = path_ + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1));
      try {
        file_ = writable_file(temp_, write_mode::create);
        return;
      } catch (const failed_precondition&) {
        if (tries == 100 || !exists(temp_)) throw;  // the name was left behind by a crashed process of the same number
      }
    }
  }
  atomic_file(atomic_file&& o) noexcept
      : path_(std::move(o.path_)), temp_(std::exchange(o.temp_, {})), file_(std::move(o.file_)) {}
  atomic_file& operator=(atomic_file&&) = delete;
  [[gnu::cold]] ~atomic_file() {
    if (!temp_.empty()) ::unlink(temp_.c_str());
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t bytes_written() const { return file_.bytes_written(); }
  void append(std::string_view bytes) { file_.append(bytes); }
  void append(const void* data, std::size_t bytes) { file_.append(data, bytes); }

  /// The part of `commit` that can fail for want of space: everything is on the disk, under the temporary name.
  [[gnu::cold]] void prepare() {
    if (!file_.is_open()) return;
    file_.sync();
    file_.close();
  }
  /// Sync, rename, sync of the directory (`sync_directory = false` leaves the last to the caller). On an error the
  /// file that had the name before is untouched.
  [[gnu::cold]] void commit(bool sync_directory = true) {
    if (temp_.empty()) rill::detail::raise<failed_precondition>({"'", path_, "' was committed already"});
    prepare();
    if (::rename(temp_.c_str(), path_.c_str()) != 0) detail::throw_errno("rename '" + temp_ + "' to", path_, errno);
    temp_.clear();
    if (sync_directory) sync_dir(dir_name(path_));
  }

 private:
  std::string path_;
  std::string temp_;
  writable_file file_;
};

/// Replaces the content of a file in one step: after a crash at any moment it holds the old bytes or the new.
[[gnu::cold]] inline void atomic_write(const std::string& path, std::string_view bytes) {
  atomic_file f(path);
  f.append(bytes);
  f.commit();
}

/// A regular file to read at offsets. A read that the file cannot fill is `data_loss`, whatever size it had before.
class random_access_file {
 public:
  [[gnu::cold]] explicit random_access_file(const std::string& path)
      : path_(detail::local_path(path)), fd_(detail::open_or_throw(path_, O_RDONLY, "open")) {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) detail::throw_errno("look up", path_, errno);
    if (S_ISDIR(st.st_mode)) detail::throw_errno("open", path_, EISDIR);
    if (!S_ISREG(st.st_mode)) rill::detail::raise<failed_precondition>({"'", path_, "' is not a regular file"});
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Bytes in the file now (another process may be appending).
  [[nodiscard]] std::uint64_t size() const {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) detail::throw_errno("look up", path_, errno);
    return static_cast<std::uint64_t>(st.st_size);
  }
  /// Up to `n` bytes at `offset`; returns how many there were.
  std::size_t read_some(std::uint64_t offset, void* dst, std::size_t n) const {
    if (offset > static_cast<std::uint64_t>(INT64_MAX) - n) return 0;
    return detail::pread_all(fd_.get(), static_cast<char*>(dst), n, offset, path_);
  }
  /// Exactly `n` bytes at `offset`; `data_loss` naming file and offset when the file is shorter.
  [[gnu::cold]] void read(std::uint64_t offset, void* dst, std::size_t n) const {
    const std::size_t got = read_some(offset, dst, n);
    if (got != n)
      rill::detail::raise<data_loss>({"'", path_, "' is truncated: wanted ", n, " bytes at offset ", offset, ", got ",
                                      got});
  }

 private:
  std::string path_;
  detail::unique_fd fd_;
};

}  // namespace rill::io
