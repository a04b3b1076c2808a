#include "rt/sim/disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "rt/sim/world_memory.h"

namespace s4::rt::sim {
namespace {

std::string normalized(const std::string& path) {
    std::string out;
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string_view part(path.data() + at, end - at);
        if (at == 0 && path[0] == '/') out = "/";
        if (!part.empty() && part != ".") {
            if (!out.empty() && out.back() != '/') out += '/';
            out += part;
        }
        at = end + 1;
    }
    return out.empty() ? "." : out;
}

bool is_root(const std::string& path) {
    return path == "/" || path == ".";
}

std::unexpected<Error> not_found(const std::string& path) {
    return fail(ErrorKind::not_found, "files.not_found", path + ": no such file or directory");
}
std::unexpected<Error> exists(const std::string& path) {
    return fail(ErrorKind::conflict, "files.exists", path + ": exists already");
}
std::unexpected<Error> full() {
    return fail(ErrorKind::no_space, "files.no_space", "no space left on the disk");
}

// "a/b/" of "a/b", so that children are found by their prefix.
std::string prefix_of(const std::string& folder) {
    if (folder == ".") return "";
    return folder == "/" ? folder : folder + "/";
}

}  // namespace

Disk::Disk(std::string name, std::uint64_t capacity_bytes, Dice dice, Trace& trace)
    : name_(std::move(name)), capacity_bytes_(capacity_bytes), dice_(dice), trace_(trace) {}

Result<Disk::InodePtr> Disk::find(const std::string& path) const {
    const std::string key = normalized(path);
    if (is_root(key)) {
        auto root = std::make_shared<Inode>();
        root->is_directory = true;
        return root;
    }
    const auto found = seen_.find(key);
    if (found == seen_.end()) return not_found(path);
    return found->second;
}

Result<Disk::InodePtr> Disk::folder_of(const std::string& path) const {
    InodePtr folder = TRY(find(parent_path(normalized(path))));
    if (!folder->is_directory)
        return fail(ErrorKind::io, "files.io", path + ": a part of it is no directory");
    return folder;
}

Result<Disk::InodePtr> Disk::open(const std::string& path, OpenMode mode, std::int64_t unix_s) {
    TRY(folder_of(path));
    const auto there = find(path);
    const bool may_make = mode == OpenMode::create || mode == OpenMode::create_new;
    if (there && mode == OpenMode::create_new) return exists(path);
    if (there && (*there)->is_directory)
        return fail(ErrorKind::io, "files.io", path + ": is a directory");
    if (there) return *there;
    if (!may_make) return not_found(path);
    if (free_bytes() == 0) return full();
    auto made = std::make_shared<Inode>();
    made->modified_unix_s = unix_s;
    const std::string key = normalized(path);
    change_name({.folder = parent_path(key), .erased = "", .set = key, .inode = made});
    return made;
}

void Disk::apply(Names& names, const NameChange& change) {
    if (!change.erased.empty()) {
        // A folder takes its content along.
        if (change.inode && change.inode->is_directory) {
            const std::string prefix = change.erased + "/";
            for (auto it = names.lower_bound(prefix);
                 it != names.end() && it->first.starts_with(prefix); it = names.erase(it))
                names[change.set + "/" + it->first.substr(prefix.size())] = it->second;
        }
        names.erase(change.erased);
    }
    if (!change.set.empty()) names[change.set] = change.inode;
}

void Disk::change_name(NameChange change) {
    const auto replaced = seen_.find(change.set);
    if (!change.set.empty() && replaced != seen_.end()) unlink(replaced->second);
    if (!change.set.empty() && change.inode && change.erased.empty()) ++change.inode->links;
    apply(seen_, change);
    unsynced_names_.push_back(std::move(change));
}

void Disk::unlink(const InodePtr& inode) {
    if (--inode->links == 0)
        used_bytes_ -= std::min<std::uint64_t>(used_bytes_, inode->seen.size());
}

Result<void> Disk::remove(const std::string& path) {
    const InodePtr inode = TRY(find(path));
    if (inode->is_directory) return fail(ErrorKind::io, "files.io", path + ": is a directory");
    const std::string key = normalized(path);
    unlink(inode);
    change_name({.folder = parent_path(key), .erased = key, .set = "", .inode = nullptr});
    return ok();
}

Result<void> Disk::rename(const std::string& from, const std::string& to) {
    const InodePtr inode = TRY(find(from));
    TRY(folder_of(to));
    const std::string source = normalized(from);
    const std::string target = normalized(to);
    if (source == target) return ok();
    if (const auto there = find(to); there && (*there)->is_directory) return exists(to);
    const std::string folder = parent_path(target);
    if (folder == parent_path(source) || inode->is_directory) {
        change_name({.folder = folder, .erased = source, .set = target, .inode = inode});
        return ok();
    }
    // Between folders each of them is synced by itself, so the two halves part.
    change_name({.folder = folder, .erased = "", .set = target, .inode = inode});
    change_name({.folder = parent_path(source), .erased = source, .set = "", .inode = nullptr});
    --inode->links;
    return ok();
}

Result<void> Disk::make_directories(const std::string& path) {
    const std::string key = normalized(path);
    if (is_root(key)) return ok();
    if (const auto there = find(key)) {
        if ((*there)->is_directory) return ok();
        return exists(path);
    }
    TRY(make_directories(parent_path(key)));
    if (free_bytes() == 0) return full();
    auto made = std::make_shared<Inode>();
    made->is_directory = true;
    change_name({.folder = parent_path(key), .erased = "", .set = key, .inode = made});
    return ok();
}

Result<void> Disk::remove_directory(const std::string& path) {
    const InodePtr inode = TRY(find(path));
    if (!inode->is_directory) return fail(ErrorKind::io, "files.io", path + ": is no directory");
    if (!TRY(list(path)).empty()) return exists(path);
    const std::string key = normalized(path);
    change_name({.folder = parent_path(key), .erased = key, .set = "", .inode = nullptr});
    return ok();
}

Result<std::vector<std::string>> Disk::list(const std::string& path) const {
    const std::string key = normalized(path);
    const InodePtr inode = TRY(find(key));
    if (!inode->is_directory) return fail(ErrorKind::io, "files.io", path + ": is no directory");
    const std::string prefix = prefix_of(key);
    std::vector<std::string> out;
    for (auto it = seen_.lower_bound(prefix); it != seen_.end() && it->first.starts_with(prefix);
         ++it) {
        const std::string_view rest = std::string_view(it->first).substr(prefix.size());
        if (rest.find('/') == std::string_view::npos && !rest.empty()) out.emplace_back(rest);
    }
    std::sort(out.begin(), out.end());
    return out;
}

Result<void> Disk::sync_directory(const std::string& path) {
    const std::string key = normalized(path);
    TRY(find(key));
    std::vector<NameChange> rest;
    for (NameChange& change : unsynced_names_) {
        if (change.folder == key)
            apply(durable_, change);
        else
            rest.push_back(std::move(change));
    }
    unsynced_names_ = std::move(rest);
    return ok();
}

Result<void> Disk::write(Inode& inode, std::uint64_t offset, ByteView bytes) {
    const WorldMemory the_medium;
    const std::uint64_t end = offset + bytes.size();
    const std::uint64_t growth = end > inode.seen.size() ? end - inode.seen.size() : 0;
    if (growth > free_bytes()) return full();
    if (inode.links > 0) used_bytes_ += growth;
    if (bytes.empty()) return ok();
    Change change{.offset = offset, .bytes = to_buffer(bytes)};
    apply(inode.seen, change, nullptr);
    inode.unsynced.push_back(std::move(change));
    return ok();
}

Result<void> Disk::truncate(Inode& inode, std::uint64_t size) {
    const WorldMemory the_medium;
    const std::uint64_t before = inode.seen.size();
    if (size > before && size - before > free_bytes()) return full();
    if (inode.links > 0) used_bytes_ = used_bytes_ + size - before;
    Change change{.offset = size, .bytes = {}};
    apply(inode.seen, change, nullptr);
    inode.unsynced.push_back(std::move(change));
    return ok();
}

// With `tear`, each sector of the write is kept or lost by itself.
void Disk::apply(ByteBuffer& content, const Change& change, Dice* tear) {
    if (change.bytes.empty()) {
        content.resize(change.offset);
        return;
    }
    std::uint64_t at = change.offset;
    const std::uint64_t end = change.offset + change.bytes.size();
    while (at < end) {
        const std::uint64_t next =
            tear != nullptr ? std::min(end, (at / kSectorBytes + 1) * kSectorBytes) : end;
        if (tear == nullptr || tear->chance(0.5)) {
            if (content.size() < next) content.resize(next);
            std::copy_n(change.bytes.begin() + static_cast<std::ptrdiff_t>(at - change.offset),
                        next - at, content.begin() + static_cast<std::ptrdiff_t>(at));
        }
        at = next;
    }
}

void Disk::sync(Inode& inode) {
    const WorldMemory the_medium;
    for (const Change& change : inode.unsynced) apply(inode.durable, change, nullptr);
    inode.unsynced.clear();
}

Disk::Fate Disk::draw() {
    const std::uint64_t face = dice_.below(8);
    return face < 3 ? Fate::lost : face < 6 ? Fate::kept : Fate::torn;
}

// Decides what of the unsynced changes the medium holds. `in_order`: all up to one of them.
void Disk::settle(Inode& inode, bool in_order) {
    const std::size_t until =
        in_order ? dice_.below(inode.unsynced.size() + 1) : inode.unsynced.size();
    for (std::size_t i = 0; i < inode.unsynced.size(); ++i) {
        const Change& change = inode.unsynced[i];
        Fate fate = in_order ? (i < until ? Fate::kept : Fate::lost) : draw();
        if (in_order && i == until) fate = Fate::torn;
        // A change of size is one thing.
        if (change.bytes.empty() && fate == Fate::torn) fate = Fate::kept;
        if (fate != Fate::lost) apply(inode.durable, change, fate == Fate::torn ? &dice_ : nullptr);
    }
    inode.unsynced.clear();
}

void Disk::fail_sync(Inode& inode) {
    settle(inode, false);
}

void Disk::lose_power() {
    trace_.note("power", name_);
    const bool names_in_order = dice_.chance(0.5);
    const std::size_t until = dice_.below(unsynced_names_.size() + 1);
    for (std::size_t i = 0; i < unsynced_names_.size(); ++i) {
        const bool kept = names_in_order ? i < until : dice_.chance(0.5);
        if (kept) apply(durable_, unsynced_names_[i]);
    }
    unsynced_names_.clear();
    // What lies in a folder that was lost is lost with it; a folder comes before its content.
    for (auto it = durable_.begin(); it != durable_.end();) {
        const std::string folder = parent_path(it->first);
        const auto parent = durable_.find(folder);
        const bool there =
            is_root(folder) || (parent != durable_.end() && parent->second->is_directory);
        it = there ? std::next(it) : durable_.erase(it);
    }
    seen_ = durable_;
    used_bytes_ = 0;
    for (const auto& [path, inode] : seen_) inode->links = 0;
    for (const auto& [path, inode] : seen_) {
        if (inode->links++ > 0) continue;
        settle(*inode, dice_.chance(0.4));
        inode->seen = inode->durable;
        used_bytes_ += inode->seen.size();
    }
}

}  // namespace s4::rt::sim
