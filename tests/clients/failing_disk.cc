// A library to be preloaded into a server: its writes fail when a control file says so. The file
// that S4DISK_CONTROL names holds two numbers of 32 bits: how writes fail (0: not at all, 1: the
// disk is full, 2: with an I/O error, 3: they wait until it is another number), and how many of a
// million calls do. Only calls on regular files are touched, and if S4DISK_WITHIN is set, on those
// whose path begins with it.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>

namespace {

struct Control {
    std::atomic<uint32_t> kind;
    std::atomic<uint32_t> per_million;
};

Control* control() {
    static Control* const mapped = [] {
        const char* path = getenv("S4DISK_CONTROL");
        const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0) return static_cast<Control*>(nullptr);
        void* at = mmap(nullptr, sizeof(Control), PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        return at == MAP_FAILED ? nullptr : static_cast<Control*>(at);
    }();
    return mapped;
}

bool is_meant(int fd) {
    struct stat what {};
    if (fstat(fd, &what) != 0 || !S_ISREG(what.st_mode)) return false;
    const char* within = getenv("S4DISK_WITHIN");
    if (within == nullptr) return true;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    char path[4096];
    const ssize_t size = readlink(link, path, sizeof path);
    return size > 0 && strncmp(path, within, strlen(within)) == 0;
}

bool strikes(int fd) {
    const Control* now = control();
    if (now == nullptr || now->kind == 0 || !is_meant(fd)) return false;
    static std::atomic<uint64_t> state{0x9e3779b97f4a7c15};
    uint64_t z = state.fetch_add(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z ^= z >> 27;
    if (z % 1'000'000 >= now->per_million) return false;
    if (now->kind == 3) {
        while (now->kind == 3) usleep(20'000);
        return false;
    }
    errno = now->kind == 1 ? ENOSPC : EIO;
    return true;
}

template <typename F>
F next(const char* name, F) {
    return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
    static const auto real = next("write", &write);
    return strikes(fd) ? -1 : real(fd, bytes, size);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
    static const auto real = next("pwrite", &pwrite);
    return strikes(fd) ? -1 : real(fd, bytes, size, at);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
    static const auto real = next("pwrite64", &pwrite64);
    return strikes(fd) ? -1 : real(fd, bytes, size, at);
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t at) {
    static const auto real = next("pwritev", &pwritev);
    return strikes(fd) ? -1 : real(fd, parts, count, at);
}
int ftruncate(int fd, off_t size) {
    static const auto real = next("ftruncate", &ftruncate);
    return strikes(fd) ? -1 : real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    static const auto real = next("ftruncate64", &ftruncate64);
    return strikes(fd) ? -1 : real(fd, size);
}
int fsync(int fd) {
    static const auto real = next("fsync", &fsync);
    const Control* now = control();
    return now != nullptr && now->kind != 1 && strikes(fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
    static const auto real = next("fdatasync", &fdatasync);
    const Control* now = control();
    return now != nullptr && now->kind != 1 && strikes(fd) ? -1 : real(fd);
}

}  // extern "C"
