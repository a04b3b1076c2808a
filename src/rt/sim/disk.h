// Disk: the files of a machine, twice: as the running system sees them, and as they would be after
// the power failed. Outlives the machine's processes; the processes' rt::Files (machine.cc) come
// through here. Used on the simulator's one thread.
//
// What a power loss keeps: what was synced, always; of each later write nothing, all, or some of
// its 512-byte sectors; of each later change of names, all or nothing, each by itself.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "rt/files.h"
#include "rt/sim/dice.h"
#include "rt/sim/trace.h"

namespace s4::rt::sim {

inline constexpr std::uint64_t kSectorBytes = 512;

class Disk {
  public:
    struct Change {
        std::uint64_t offset = 0;
        ByteBuffer bytes;  // written there; empty: truncated or extended to `offset`
    };
    struct Inode {
        bool is_directory = false;
        ByteBuffer seen;
        ByteBuffer durable;
        std::vector<Change> unsynced;  // oldest first
        std::int64_t modified_unix_s = 0;
        int links = 0;
    };
    using InodePtr = std::shared_ptr<Inode>;

    Disk(std::string name, std::uint64_t capacity_bytes, Dice dice, Trace& trace);

    // As POSIX; errors as in rt/files.h.
    Result<InodePtr> open(const std::string& path, OpenMode mode, std::int64_t unix_s);
    Result<InodePtr> find(const std::string& path) const;
    Result<void> remove(const std::string& path);
    Result<void> rename(const std::string& from, const std::string& to);
    Result<void> make_directories(const std::string& path);
    Result<void> remove_directory(const std::string& path);
    Result<std::vector<std::string>> list(const std::string& path) const;
    Result<void> sync_directory(const std::string& path);

    Result<void> write(Inode& inode, std::uint64_t offset, ByteView bytes);
    Result<void> truncate(Inode& inode, std::uint64_t size);
    void sync(Inode& inode);
    // What a failed sync leaves: an unknown part is kept, and nobody will write the rest.
    void fail_sync(Inode& inode);

    void lose_power();

    std::uint64_t free_bytes() const {
        return used_bytes_ < capacity_bytes_ ? capacity_bytes_ - used_bytes_ : 0;
    }
    void set_capacity(std::uint64_t bytes) { capacity_bytes_ = bytes; }
    std::uint64_t capacity() const { return capacity_bytes_; }
    std::uint64_t used_bytes() const { return used_bytes_; }

  private:
    // A change of names that its folder's sync makes durable.
    struct NameChange {
        std::string folder;
        std::string erased;  // empty: none
        std::string set;     // empty: none
        InodePtr inode;
    };
    enum class Fate : std::uint8_t { lost, kept, torn };
    using Names = std::map<std::string, InodePtr>;

    void change_name(NameChange change);
    static void apply(Names& names, const NameChange& change);
    static void apply(ByteBuffer& content, const Change& change, Dice* tear);
    void settle(Inode& inode, bool in_order);
    Fate draw();
    void unlink(const InodePtr& inode);
    Result<InodePtr> folder_of(const std::string& path) const;

    std::string name_;
    std::uint64_t capacity_bytes_;
    std::uint64_t used_bytes_ = 0;
    Dice dice_;
    Trace& trace_;
    Names seen_;
    Names durable_;
    std::vector<NameChange> unsynced_names_;  // oldest first
};

}  // namespace s4::rt::sim
