// FrameStore: where the frames of tasks live. One request runs through some twenty tasks, one
// inside the other, and the next request through the same ones: a thread that keeps the last few
// frames of each size need not ask the allocator, which has nothing at hand for frames above 1 KiB.
//
// Tasks use their thread's own store, through take_frame() and give_back_frame(). Whatever thread a
// frame was made on, the one that drops it keeps it.
#pragma once

#include <array>
#include <cstddef>

namespace s4::rt {

class FrameStore {
  public:
    // Frames are kept by sizes in steps of the first, up to the second; so many of each.
    static constexpr std::size_t kStepBytes = 64;
    static constexpr std::size_t kFrameBytesMax = 4096;
    static constexpr std::size_t kKeptOfEachSize = 16;

    constexpr FrameStore() = default;
    FrameStore(const FrameStore&) = delete;
    FrameStore& operator=(const FrameStore&) = delete;
    ~FrameStore();

    void* take(std::size_t bytes);
    // `bytes` is what was asked for.
    void give_back(void* frame, std::size_t bytes) noexcept;

    std::size_t kept() const;

  private:
    // A frame that is kept holds the way to the next one.
    struct Kept {
        Kept* next;
    };
    struct Shelf {
        Kept* first = nullptr;
        std::size_t count = 0;
    };
    static constexpr std::size_t shelf_of(std::size_t bytes) { return (bytes - 1) / kStepBytes; }

    std::array<Shelf, kFrameBytesMax / kStepBytes> shelves_;
};

void* take_frame(std::size_t bytes);
void give_back_frame(void* frame, std::size_t bytes) noexcept;

}  // namespace s4::rt
