#include "heap.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "rt/sim/world_memory.h"

namespace s4::simulation::heap {
namespace {

// Before each block: its size, and whether it counts.
struct Header {
    std::size_t bytes;
    bool counts;
};
constexpr std::size_t kHeaderBytes = 16;
static_assert(sizeof(Header) <= kHeaderBytes);

std::size_t live = 0;
std::size_t peak = 0;

std::size_t space_before(std::size_t alignment) {
    return std::max(alignment, kHeaderBytes);
}

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    const std::size_t before = space_before(alignment);
    if (bytes > SIZE_MAX - 2 * before) return nullptr;
    // aligned_alloc() takes whole multiples.
    const std::size_t whole = (bytes + before + alignment - 1) / alignment * alignment;
    auto* block = static_cast<std::byte*>(
        alignment > kHeaderBytes ? std::aligned_alloc(alignment, whole) : std::malloc(whole));
    if (block == nullptr) return nullptr;
    const bool counts = !rt::sim::WorldMemory::is_being_allocated();
    if (counts) peak = std::max(peak, live += bytes);
    std::byte* out = block + before;
    new (out - kHeaderBytes) Header{bytes, counts};
    return out;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
    void* out = allocate(bytes, alignment);
    if (out == nullptr) throw std::bad_alloc();
    return out;
}

void release(void* pointer, std::size_t alignment) noexcept {
    if (pointer == nullptr) return;
    auto* at = static_cast<std::byte*>(pointer);
    const auto* header = reinterpret_cast<const Header*>(at - kHeaderBytes);
    if (header->counts) live -= header->bytes;
    std::free(at - space_before(alignment));
}

constexpr std::size_t kUsual = alignof(std::max_align_t);

}  // namespace

std::size_t live_bytes() {
    return live;
}
std::size_t peak_bytes() {
    return peak;
}
void begin_peak() {
    peak = live;
}

}  // namespace s4::simulation::heap

// All forms, since a sanitizer brings its own of each that is missing.
namespace heap = s4::simulation::heap;
using std::align_val_t;
using std::nothrow_t;
using std::size_t;

void* operator new(size_t n) {
    return heap::allocate_or_throw(n, heap::kUsual);
}
void* operator new[](size_t n) {
    return heap::allocate_or_throw(n, heap::kUsual);
}
void* operator new(size_t n, const nothrow_t&) noexcept {
    return heap::allocate(n, heap::kUsual);
}
void* operator new[](size_t n, const nothrow_t&) noexcept {
    return heap::allocate(n, heap::kUsual);
}
void* operator new(size_t n, align_val_t a) {
    return heap::allocate_or_throw(n, static_cast<size_t>(a));
}
void* operator new[](size_t n, align_val_t a) {
    return heap::allocate_or_throw(n, static_cast<size_t>(a));
}
void* operator new(size_t n, align_val_t a, const nothrow_t&) noexcept {
    return heap::allocate(n, static_cast<size_t>(a));
}
void* operator new[](size_t n, align_val_t a, const nothrow_t&) noexcept {
    return heap::allocate(n, static_cast<size_t>(a));
}
void operator delete(void* p) noexcept {
    heap::release(p, heap::kUsual);
}
void operator delete[](void* p) noexcept {
    heap::release(p, heap::kUsual);
}
void operator delete(void* p, size_t) noexcept {
    heap::release(p, heap::kUsual);
}
void operator delete[](void* p, size_t) noexcept {
    heap::release(p, heap::kUsual);
}
void operator delete(void* p, const nothrow_t&) noexcept {
    heap::release(p, heap::kUsual);
}
void operator delete[](void* p, const nothrow_t&) noexcept {
    heap::release(p, heap::kUsual);
}
void operator delete(void* p, align_val_t a) noexcept {
    heap::release(p, static_cast<size_t>(a));
}
void operator delete[](void* p, align_val_t a) noexcept {
    heap::release(p, static_cast<size_t>(a));
}
void operator delete(void* p, size_t, align_val_t a) noexcept {
    heap::release(p, static_cast<size_t>(a));
}
void operator delete[](void* p, size_t, align_val_t a) noexcept {
    heap::release(p, static_cast<size_t>(a));
}
void operator delete(void* p, align_val_t a, const nothrow_t&) noexcept {
    heap::release(p, static_cast<size_t>(a));
}
void operator delete[](void* p, align_val_t a, const nothrow_t&) noexcept {
    heap::release(p, static_cast<size_t>(a));
}
