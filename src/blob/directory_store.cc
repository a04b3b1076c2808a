#include "blob/directory_store.h"

#include <optional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "blob/limits.h"
#include "rt/files.h"
#include "rt/pool.h"

namespace s4::blob {
namespace {

Error not_found(const Key& key) {
    return Error(ErrorKind::not_found, "blob.not_found",
                 fmt::format("there is no blob {}", key.text()));
}

// Makes the folder of a new blob and the one above, and makes both names durable.
Result<void> make_folder(rt::Files& files, const std::string& folder) {
    TRY(files.make_directories(folder));
    const std::string grid = rt::parent_path(folder);
    TRY(files.sync_directory(grid));
    return files.sync_directory(rt::parent_path(grid));
}

// Walks blobs/GRID/DIGIT/NAME in order and stops when the page is full.
class Lister {
  public:
    Lister(rt::Files& files, const std::string& root, std::string_view from)
        : files_(files), root_(root), from_(from) {}

    Result<Page> run() {
        for (const std::string& grid : TRY(files_.list(root_))) {
            if (before(grid)) continue;
            for (const std::string& digit : TRY(files_.list(root_ + "/" + grid))) {
                const std::string folder = grid + "/" + digit;
                if (before(folder)) continue;
                if (++folders_ > kListDirectoriesPerPage) {
                    page_.next = last_folder_ + "/~";  // past every name of the last one
                    return std::move(page_);
                }
                last_folder_ = folder;
                if (!TRY(list_folder(folder))) return std::move(page_);
            }
        }
        return std::move(page_);
    }

  private:
    // Whether everything under `folder` was listed before.
    bool before(const std::string& folder) const {
        return folder < std::string_view(from_).substr(0, folder.size()) &&
               folder.size() <= from_.size();
    }

    // False when the page is full.
    Result<bool> list_folder(const std::string& folder) {
        for (const std::string& name : TRY(files_.list(root_ + "/" + folder))) {
            const std::string text = folder + "/" + name;
            if (text <= from_) continue;
            const std::optional<Key> key = Key::parse(text);
            if (!key) continue;
            if (page_.blobs.size() == kListPageMax) {
                page_.next = page_.blobs.back().key.text();
                return false;
            }
            const auto info = files_.info(root_ + "/" + text);
            if (!info && info.error().kind() == ErrorKind::not_found) continue;
            if (!info) return fail(info.error());
            page_.blobs.push_back({*key, info->size});
        }
        return true;
    }

    rt::Files& files_;
    const std::string& root_;
    std::string from_;
    std::size_t folders_ = 0;
    std::string last_folder_;
    Page page_;
};

}  // namespace

class DirectoryStore::FileBlob final : public Blob {
  public:
    FileBlob(rt::Runtime& runtime, std::unique_ptr<rt::File> file)
        : runtime_(runtime), file_(std::move(file)) {}

    rt::Task<Result<std::size_t>> read_at(const rt::Context&, std::uint64_t offset,
                                          MutByteView into) override {
        co_return co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                      [&] { return file_->read_at(offset, into); });
    }
    std::size_t read_at_hand(std::uint64_t offset, MutByteView into) override {
        return file_->read_cached(offset, into);
    }

  private:
    rt::Runtime& runtime_;
    std::unique_ptr<rt::File> file_;
};

class DirectoryStore::FileDraft final : public Draft {
  public:
    FileDraft(DirectoryStore& store, std::string path, std::unique_ptr<rt::File> file)
        : store_(store), path_(std::move(path)), file_(std::move(file)) {}

    ~FileDraft() override {
        if (published_) return;
        store_.runtime_.pool.submit([&files = store_.runtime_.files, path = std::move(path_),
                                     file = std::move(file_)]() mutable {
            file.reset();
            // What stays behind is emptied at the next start.
            (void)files.remove(path);
        });
    }

    rt::Task<Result<void>> write_at(const rt::Context&, std::uint64_t offset,
                                    ByteView bytes) override {
        co_return co_await on_pool([&] { return file_->write_at(offset, bytes); });
    }
    rt::Task<Result<std::size_t>> read_at(const rt::Context&, std::uint64_t offset,
                                          MutByteView into) override {
        co_return co_await on_pool([&] { return file_->read_at(offset, into); });
    }

    rt::Task<Result<void>> publish(const rt::Context&, const Key& key,
                                   std::uint64_t size) override {
        if (published_) co_return ok();
        // After a failed sync the system may have dropped the bytes and forget that it did: a
        // second sync would succeed and prove nothing.
        if (failed_)
            co_return fail(ErrorKind::io, "blob.draft_lost",
                           "a write to the disk failed; the upload must begin anew");
        auto done = co_await store_.publish(*file_, path_, key, size);
        (done ? published_ : failed_) = true;
        co_return done;
    }

  private:
    template <typename Work>
    rt::Task<std::invoke_result_t<Work&>> on_pool(Work work) {
        co_return co_await rt::run_on(store_.runtime_.pool, store_.runtime_.reactor,
                                      std::move(work));
    }

    DirectoryStore& store_;
    std::string path_;
    std::unique_ptr<rt::File> file_;
    bool published_ = false;
    bool failed_ = false;
};

DirectoryStore::DirectoryStore(rt::Runtime& runtime, DirectoryOptions options)
    : runtime_(runtime),
      options_(std::move(options)),
      blobs_(options_.path + "/blobs"),
      drafts_(options_.path + "/drafts") {}

Result<std::unique_ptr<DirectoryStore>> DirectoryStore::open(rt::Runtime& runtime,
                                                             DirectoryOptions options) {
    std::unique_ptr<DirectoryStore> store(new DirectoryStore(runtime, std::move(options)));
    rt::Files& files = runtime.files;
    TRY(files.make_directories(store->blobs_));
    TRY(files.make_directories(store->drafts_));
    for (const std::string& name : TRY(files.list(store->drafts_)))
        TRY(files.remove(store->drafts_ + "/" + name));
    TRY(files.sync_directory(store->options_.path));
    TRY(files.sync_directory(rt::parent_path(store->options_.path)));
    return store;
}

std::string DirectoryStore::next_draft_path() {
    return fmt::format("{}/{}", drafts_, ++last_draft_);
}

rt::Task<Result<void>> DirectoryStore::publish(rt::File& file, std::string draft_path, Key key,
                                               std::uint64_t size) {
    const std::string path = path_of(key);
    const std::string folder = rt::parent_path(path);
    const bool new_folder = !known_folders_.contains(folder);
    CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor, [&]() -> Result<void> {
        rt::Files& files = runtime_.files;
        TRY(file.truncate(size));
        if (!options_.planted_bugs.skip_sync) TRY(file.sync());
        if (new_folder) TRY(make_folder(files, folder));
        TRY(files.rename(draft_path, path));
        return files.sync_directory(folder);
    }));
    known_folders_.insert(folder);
    co_return ok();
}

rt::Task<Result<std::unique_ptr<Draft>>> DirectoryStore::begin(const rt::Context&) {
    std::string path = next_draft_path();
    auto file = CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor, [&] {
        return runtime_.files.open(path, rt::OpenMode::create_new);
    }));
    co_return std::make_unique<FileDraft>(*this, std::move(path), std::move(file));
}

rt::Task<Result<void>> DirectoryStore::put(const rt::Context& ctx, const Key& key, ByteView bytes) {
    const auto draft = CO_TRY(co_await begin(ctx));
    CO_TRY(co_await draft->write_at(ctx, 0, bytes));
    co_return co_await draft->publish(ctx, key, bytes.size());
}

rt::Task<Result<std::unique_ptr<Blob>>> DirectoryStore::open(const rt::Context&, const Key& key) {
    auto file = co_await rt::run_on(runtime_.pool, runtime_.reactor, [&] {
        return runtime_.files.open(path_of(key), rt::OpenMode::read);
    });
    if (!file && file.error().kind() == ErrorKind::not_found) co_return fail(not_found(key));
    if (!file) co_return fail(std::move(file).error());
    co_return std::make_unique<FileBlob>(runtime_, std::move(*file));
}

rt::Task<Result<void>> DirectoryStore::remove(const rt::Context&, const Key& key) {
    auto removed = co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                       [&] { return runtime_.files.remove(path_of(key)); });
    if (!removed && removed.error().kind() == ErrorKind::not_found) co_return ok();
    co_return removed;
}

rt::Task<Result<Page>> DirectoryStore::list(const rt::Context&, const std::string& from) {
    co_return co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                  [&] { return Lister(runtime_.files, blobs_, from).run(); });
}

rt::Task<Result<std::vector<GridId>>> DirectoryStore::grids(const rt::Context&) {
    const auto names = CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                                  [&] { return runtime_.files.list(blobs_); }));
    std::vector<GridId> out;
    for (const std::string& name : names)
        if (const auto grid = Key::parse_grid(name)) out.push_back(*grid);
    co_return out;
}

rt::Task<Result<std::uint64_t>> DirectoryStore::free_bytes(const rt::Context&) {
    co_return co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                  [&] { return runtime_.files.free_bytes(options_.path); });
}

}  // namespace s4::blob
