#include "sql/files_vfs.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "crypto/random.h"

namespace s4::sql {
namespace {

constexpr int kRegionBytesMax = 1 << 20;
constexpr int kPathBytesMax = 1024;

// Locks on one database file, as SQLite's file locks, and the shared index of its log.
struct Shared {
    int users = 0;
    int shared_locks = 0;
    const void* reserved = nullptr;
    const void* pending = nullptr;
    const void* exclusive = nullptr;

    std::vector<std::unique_ptr<std::uint8_t[]>> regions;
    std::array<int, SQLITE_SHM_NLOCK> shm_shared{};
    std::array<const void*, SQLITE_SHM_NLOCK> shm_exclusive{};
};

int io_code(const Error& error, int otherwise) {
    return error.kind() == ErrorKind::no_space ? SQLITE_FULL : otherwise;
}

}  // namespace

struct FilesVfs::State {
    explicit State(rt::Runtime& r) : runtime(r) {}

    rt::Runtime& runtime;
    std::string vfs_name;
    sqlite3_vfs vfs{};
    std::mutex mutex;                       // guards all Shared
    std::map<std::string, Shared> by_path;  // only of open databases
};

namespace {

// What SQLite allots for each open file; made and destroyed by our xOpen and xClose.
struct OpenFile {
    sqlite3_file base;  // first, so that SQLite's pointer is ours
    FilesVfs::State* state;
    std::unique_ptr<rt::File> file;
    ByteBuffer memory;  // of a temporary file, which has no name and no file
    std::string path;
    Shared* shared = nullptr;
    int level = SQLITE_LOCK_NONE;
    std::uint32_t shm_shared = 0;
    std::uint32_t shm_exclusive = 0;
    bool sync_folder_first = false;
    bool delete_on_close = false;
};

OpenFile& self_of(sqlite3_file* file) {
    return *reinterpret_cast<OpenFile*>(file);
}
FilesVfs::State& state_of(sqlite3_vfs* vfs) {
    return *static_cast<FilesVfs::State*>(vfs->pAppData);
}

void drop_shared(OpenFile& self) {
    if (self.shared == nullptr) return;
    const std::lock_guard lock(self.state->mutex);
    if (--self.shared->users == 0) self.state->by_path.erase(self.path);
    self.shared = nullptr;
}

int unlock_to(sqlite3_file* file, int level);

int close_file(sqlite3_file* file) {
    OpenFile& self = self_of(file);
    unlock_to(file, SQLITE_LOCK_NONE);
    drop_shared(self);
    self.file.reset();
    if (self.delete_on_close && !self.path.empty())
        (void)self.state->runtime.files.remove(self.path);
    self.~OpenFile();
    return SQLITE_OK;
}

int read_file_at(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
    OpenFile& self = self_of(file);
    const MutByteView out(static_cast<std::uint8_t*>(into), static_cast<std::size_t>(size));
    std::size_t have = 0;
    if (self.file) {
        const auto read = self.file->read_at(static_cast<std::uint64_t>(offset), out);
        if (!read) return SQLITE_IOERR_READ;
        have = *read;
    } else if (static_cast<std::size_t>(offset) < self.memory.size()) {
        have = std::min(out.size(), self.memory.size() - static_cast<std::size_t>(offset));
        std::memcpy(into, self.memory.data() + offset, have);
    }
    if (have == out.size()) return SQLITE_OK;
    std::memset(out.data() + have, 0, out.size() - have);
    return SQLITE_IOERR_SHORT_READ;
}

int write_file_at(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    OpenFile& self = self_of(file);
    const ByteView bytes(static_cast<const std::uint8_t*>(from), static_cast<std::size_t>(size));
    if (!self.file) {
        const std::size_t end = static_cast<std::size_t>(offset) + bytes.size();
        if (self.memory.size() < end) self.memory.resize(end);
        std::memcpy(self.memory.data() + offset, from, bytes.size());
        return SQLITE_OK;
    }
    const auto written = self.file->write_at(static_cast<std::uint64_t>(offset), bytes);
    return written ? SQLITE_OK : io_code(written.error(), SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
    OpenFile& self = self_of(file);
    if (!self.file) {
        self.memory.resize(static_cast<std::size_t>(size));
        return SQLITE_OK;
    }
    const auto done = self.file->truncate(static_cast<std::uint64_t>(size));
    return done ? SQLITE_OK : io_code(done.error(), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int) {
    OpenFile& self = self_of(file);
    if (!self.file) return SQLITE_OK;
    if (!self.file->sync()) return SQLITE_IOERR_FSYNC;
    if (!std::exchange(self.sync_folder_first, false)) return SQLITE_OK;
    const auto done = self.state->runtime.files.sync_directory(rt::parent_path(self.path));
    return done ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
    OpenFile& self = self_of(file);
    if (!self.file) {
        *size = static_cast<sqlite3_int64>(self.memory.size());
        return SQLITE_OK;
    }
    const auto found = self.file->size();
    if (!found) return SQLITE_IOERR_FSTAT;
    *size = static_cast<sqlite3_int64>(*found);
    return SQLITE_OK;
}

// SQLite's five lock levels, see its "File Locking And Concurrency".
bool raise_one(OpenFile& self, int level) {
    Shared& shared = *self.shared;
    const auto others = [&](const void* holder) { return holder != nullptr && holder != &self; };
    switch (level) {
        case SQLITE_LOCK_SHARED:
            if (others(shared.pending) || others(shared.exclusive)) return false;
            ++shared.shared_locks;
            return true;
        case SQLITE_LOCK_RESERVED:
            if (others(shared.reserved)) return false;
            shared.reserved = &self;
            return true;
        case SQLITE_LOCK_EXCLUSIVE:
            if (others(shared.pending) || others(shared.reserved)) return false;
            shared.pending = &self;
            if (shared.shared_locks > 1) return false;
            shared.exclusive = &self;
            return true;
        default:
            return false;
    }
}

int lock_to(sqlite3_file* file, int level) {
    OpenFile& self = self_of(file);
    if (self.level >= level || self.shared == nullptr) return SQLITE_OK;
    const std::lock_guard lock(self.state->mutex);
    if (!raise_one(self, level)) return SQLITE_BUSY;
    self.level = level;
    return SQLITE_OK;
}

int unlock_to(sqlite3_file* file, int level) {
    OpenFile& self = self_of(file);
    if (self.level <= level || self.shared == nullptr) return SQLITE_OK;
    const std::lock_guard lock(self.state->mutex);
    Shared& shared = *self.shared;
    for (const void** holder : {&shared.reserved, &shared.pending, &shared.exclusive})
        if (*holder == &self) *holder = nullptr;
    if (level == SQLITE_LOCK_NONE) --shared.shared_locks;
    self.level = level;
    return SQLITE_OK;
}

int check_reserved(sqlite3_file* file, int* out) {
    OpenFile& self = self_of(file);
    const std::lock_guard lock(self.state->mutex);
    *out = self.shared != nullptr && self.shared->reserved != nullptr ? 1 : 0;
    return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
    return 4096;
}
int characteristics(sqlite3_file*) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
    OpenFile& self = self_of(file);
    *out = nullptr;
    if (self.shared == nullptr || size > kRegionBytesMax) return SQLITE_IOERR_SHMMAP;
    const std::lock_guard lock(self.state->mutex);
    auto& regions = self.shared->regions;
    while (static_cast<std::size_t>(region) >= regions.size()) {
        if (extend == 0) return SQLITE_OK;
        regions.push_back(std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(size)));
    }
    *out = regions[static_cast<std::size_t>(region)].get();
    return SQLITE_OK;
}

int shm_unlock(OpenFile& self, int first, int count) {
    for (int i = first; i < first + count; ++i) {
        const std::uint32_t bit = 1u << i;
        const auto at = static_cast<std::size_t>(i);
        if ((self.shm_shared & bit) != 0) --self.shared->shm_shared[at];
        if ((self.shm_exclusive & bit) != 0) self.shared->shm_exclusive[at] = nullptr;
        self.shm_shared &= ~bit;
        self.shm_exclusive &= ~bit;
    }
    return SQLITE_OK;
}

int shm_lock(sqlite3_file* file, int first, int count, int flags) {
    OpenFile& self = self_of(file);
    if (self.shared == nullptr) return SQLITE_IOERR_SHMLOCK;
    const std::lock_guard lock(self.state->mutex);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) return shm_unlock(self, first, count);
    const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (int i = first; i < first + count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const bool mine = (self.shm_shared & 1u << i) != 0;
        if (self.shared->shm_exclusive[at] != nullptr) return SQLITE_BUSY;
        if (exclusive && self.shared->shm_shared[at] > (mine ? 1 : 0)) return SQLITE_BUSY;
    }
    for (int i = first; i < first + count; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const std::uint32_t bit = 1u << i;
        if (exclusive) {
            self.shared->shm_exclusive[at] = &self;
            self.shm_exclusive |= bit;
        } else if ((self.shm_shared & bit) == 0) {
            ++self.shared->shm_shared[at];
            self.shm_shared |= bit;
        }
    }
    return SQLITE_OK;
}

void shm_barrier(sqlite3_file*) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

int shm_unmap(sqlite3_file* file, int) {
    OpenFile& self = self_of(file);
    if (self.shared == nullptr) return SQLITE_OK;
    const std::lock_guard lock(self.state->mutex);
    return shm_unlock(self, 0, SQLITE_SHM_NLOCK);
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file_at,
    .xWrite = write_file_at,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_to,
    .xUnlock = unlock_to,
    .xCheckReservedLock = check_reserved,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

Result<std::unique_ptr<rt::File>> open_path(rt::Files& files, const std::string& path, int flags) {
    if ((flags & SQLITE_OPEN_READONLY) != 0) return files.open(path, rt::OpenMode::read);
    if ((flags & SQLITE_OPEN_CREATE) == 0) return files.open(path, rt::OpenMode::write);
    return files.open(path, rt::OpenMode::create);
}

int open_file(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags,
              int* out_flags) {
    FilesVfs::State& state = state_of(vfs);
    file->pMethods = nullptr;
    auto* self = new (file) OpenFile{.base = {},
                                     .state = &state,
                                     .file = nullptr,
                                     .memory = {},
                                     .path = name != nullptr ? name : ""};
    if (name != nullptr) {
        auto opened = open_path(state.runtime.files, self->path, flags);
        if (!opened) {
            const int code = io_code(opened.error(), SQLITE_CANTOPEN);
            self->~OpenFile();
            return code;
        }
        self->file = std::move(*opened);
        self->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
        // Also for one that is there already: a process that died may not have come to it.
        self->sync_folder_first = (flags & SQLITE_OPEN_CREATE) != 0 &&
                                  (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
    }
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
        const std::lock_guard lock(state.mutex);
        self->shared = &state.by_path[self->path];
        ++self->shared->users;
    }
    if (out_flags != nullptr) *out_flags = flags;
    self->base.pMethods = &kMethods;
    return SQLITE_OK;
}

int delete_path(sqlite3_vfs* vfs, const char* name, int sync_folder) {
    rt::Files& files = state_of(vfs).runtime.files;
    const auto removed = files.remove(name);
    if (!removed)
        return removed.error().kind() == ErrorKind::not_found ? SQLITE_IOERR_DELETE_NOENT
                                                              : SQLITE_IOERR_DELETE;
    if (sync_folder == 0) return SQLITE_OK;
    return files.sync_directory(rt::parent_path(name)) ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

int access_path(sqlite3_vfs* vfs, const char* name, int what, int* out) {
    const auto info = state_of(vfs).runtime.files.info(name);
    if (!info && info.error().kind() != ErrorKind::not_found) return SQLITE_IOERR_ACCESS;
    // As the system's VFS: an empty file does not "exist", so that an empty log is no log.
    *out = info && (what != SQLITE_ACCESS_EXISTS || info->size > 0) ? 1 : 0;
    return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
    const std::size_t length = std::strlen(name);
    if (length >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::memcpy(out, name, length + 1);
    return SQLITE_OK;
}

int randomness(sqlite3_vfs* vfs, int size, char* out) {
    state_of(vfs).runtime.random.fill(
        {reinterpret_cast<std::uint8_t*>(out), static_cast<std::size_t>(size)});
    return size;
}

// Only waits for a lock of another thread, and the simulator has none.
int sleep_us(sqlite3_vfs*, int microseconds) {
    return microseconds;
}

int current_time(sqlite3_vfs* vfs, sqlite3_int64* out) {
    constexpr sqlite3_int64 kUnixEpochJulianMs = 210866760000000;
    *out = kUnixEpochJulianMs + state_of(vfs).runtime.reactor.unix_us() / 1000;
    return SQLITE_OK;
}

int last_error(sqlite3_vfs*, int, char*) {
    return 0;
}

std::string next_name() {
    static std::atomic<std::uint64_t> made = 0;
    return fmt::format("s4-files-{}", ++made);
}

}  // namespace

FilesVfs::FilesVfs(rt::Runtime& runtime) : state_(std::make_unique<State>(runtime)) {
    state_->vfs_name = next_name();
    sqlite3_vfs& vfs = state_->vfs;
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(OpenFile);
    vfs.mxPathname = kPathBytesMax;
    vfs.zName = state_->vfs_name.c_str();
    vfs.pAppData = state_.get();
    vfs.xOpen = open_file;
    vfs.xDelete = delete_path;
    vfs.xAccess = access_path;
    vfs.xFullPathname = full_path;
    vfs.xRandomness = randomness;
    vfs.xSleep = sleep_us;
    vfs.xGetLastError = last_error;
    vfs.xCurrentTimeInt64 = current_time;
    // As the default, because SQLite seeds its own generator (the log's salts) from the default
    // VFS; and the generator begins anew, so that a run is repeated from its seed.
    CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK, "a VFS registers");
    sqlite3_randomness(0, nullptr);
}

FilesVfs::~FilesVfs() {
    sqlite3_vfs_unregister(&state_->vfs);
}

const std::string& FilesVfs::name() const {
    return state_->vfs_name;
}

}  // namespace s4::sql
