#include "rt/frame_store.h"

#include <new>

namespace s4::rt {

FrameStore::~FrameStore() {
    for (Shelf& shelf : shelves_) {
        while (shelf.first != nullptr) {
            Kept* const frame = shelf.first;
            shelf.first = frame->next;
            ::operator delete(frame);
        }
    }
}

void* FrameStore::take(std::size_t bytes) {
    if (bytes > kFrameBytesMax) return ::operator new(bytes);
    const std::size_t place = shelf_of(bytes);
    Shelf& shelf = shelves_[place];
    if (shelf.first == nullptr) return ::operator new((place + 1) * kStepBytes);
    Kept* const frame = shelf.first;
    shelf.first = frame->next;
    --shelf.count;
    return frame;
}

void FrameStore::give_back(void* frame, std::size_t bytes) noexcept {
    if (bytes > kFrameBytesMax) return ::operator delete(frame);
    Shelf& shelf = shelves_[shelf_of(bytes)];
    if (shelf.count == kKeptOfEachSize) return ::operator delete(frame);
    shelf.first = new (frame) Kept{shelf.first};
    ++shelf.count;
}

std::size_t FrameStore::kept() const {
    std::size_t sum = 0;
    for (const Shelf& shelf : shelves_) sum += shelf.count;
    return sum;
}

// A sanitizer sees the use of a dropped frame only if the frame is really freed.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

void* take_frame(std::size_t bytes) {
    return ::operator new(bytes);
}
void give_back_frame(void* frame, std::size_t) noexcept {
    ::operator delete(frame);
}

#else

namespace {

// The thread's variables go before what outlives its tasks, statics for example; none of those
// holds a task.
thread_local constinit FrameStore frames;

}  // namespace

void* take_frame(std::size_t bytes) {
    return frames.take(bytes);
}
void give_back_frame(void* frame, std::size_t bytes) noexcept {
    frames.give_back(frame, bytes);
}

#endif

}  // namespace s4::rt
