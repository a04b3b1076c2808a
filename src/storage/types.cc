#include "storage/types.h"

#include "codec/base32.h"

namespace s4::storage {

Result<StorageIndex> StorageIndex::from_bytes(ByteView raw) {
    if (raw.size() != kStorageIndexBytes)
        return fail(ErrorKind::invalid, "storage.invalid_index", "a storage index has 16 bytes");
    StorageIndex out;
    std::copy(raw.begin(), raw.end(), out.bytes.begin());
    return out;
}

Result<StorageIndex> StorageIndex::from_text(std::string_view text) {
    const auto raw = codec::base32::decode(text);
    if (!raw || raw->size() != kStorageIndexBytes)
        return fail(ErrorKind::invalid, "storage.invalid_index",
                    "a storage index is 26 characters of base32");
    return from_bytes(*raw);
}

std::string StorageIndex::to_text() const {
    return codec::base32::encode(bytes);
}

}  // namespace s4::storage
