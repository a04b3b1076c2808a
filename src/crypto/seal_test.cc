#include "crypto/seal.h"

#include <gtest/gtest.h>

#include "crypto/seeded_random.h"

namespace s4::crypto {
namespace {

class SealTest : public testing::Test {
  protected:
    SeededRandom random_{1};
    StaticMasterKey master_ = StaticMasterKey::generate(random_);
    Sealer sealer_ = Sealer::create(master_).value();
    Secret secret_{as_bytes("swissnum")};
};

TEST_F(SealTest, OpensWhatItSealed) {
    const ByteBuffer sealed = sealer_.seal(random_, secret_, "here");
    EXPECT_EQ(sealed.size(), secret_.size() + kSealOverheadBytes);
    EXPECT_EQ(sealer_.open(sealed, "here").value(), secret_);
    EXPECT_EQ(sealer_.open(sealer_.seal(random_, Secret(), "x"), "x").value(), Secret());
}

TEST_F(SealTest, TwoSealsOfOneSecretDiffer) {
    EXPECT_NE(sealer_.seal(random_, secret_, "here"), sealer_.seal(random_, secret_, "here"));
}

TEST_F(SealTest, DoesNotOpenElsewhere) {
    const ByteBuffer sealed = sealer_.seal(random_, secret_, "grid 1");
    EXPECT_EQ(sealer_.open(sealed, "grid 2").error().code(), "seal.forged");
}

TEST_F(SealTest, DoesNotOpenWhenAnyBitWasChangedOrAnyByteIsMissing) {
    const ByteBuffer sealed = sealer_.seal(random_, secret_, "here");
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        ByteBuffer changed = sealed;
        changed[i] ^= 0x01;
        EXPECT_FALSE(sealer_.open(changed, "here")) << i;
        EXPECT_FALSE(sealer_.open(ByteView(sealed).first(i), "here")) << i;
    }
}

TEST_F(SealTest, SaysThatTheMasterKeyIsAnother) {
    const StaticMasterKey other = StaticMasterKey::generate(random_);
    const ByteBuffer sealed = sealer_.seal(random_, secret_, "here");
    EXPECT_EQ(Sealer::create(other)->open(sealed, "here").error().code(), "seal.unknown_key");
}

TEST_F(SealTest, TheMasterKeysFileReadsBack) {
    const Secret file = master_.to_file();
    EXPECT_TRUE(file.reveal_text().starts_with("s4-master-key-v1 "));
    EXPECT_TRUE(file.reveal_text().ends_with("\n"));
    const StaticMasterKey again = StaticMasterKey::parse(file).value();
    EXPECT_EQ(again.current(), master_.current());
    EXPECT_EQ(again.derive(again.current(), "p").value(),
              master_.derive(master_.current(), "p").value());
    EXPECT_NE(again.derive(again.current(), "p").value(),
              again.derive(again.current(), "q").value());
}

TEST_F(SealTest, ADamagedMasterKeyFileIsRefused) {
    const std::string file(master_.to_file().reveal_text());
    for (std::size_t i = 0; i + 1 < file.size(); ++i) {
        std::string changed = file;
        changed[i] = changed[i] == 'x' ? 'y' : 'x';
        EXPECT_EQ(StaticMasterKey::parse(Secret(as_bytes(changed))).error().code(),
                  "master_key.invalid")
            << i;
    }
    for (const std::string_view text : {"", "\n", "s4-master-key-v1", "s4-master-key-v2 1 a b\n"})
        EXPECT_FALSE(StaticMasterKey::parse(Secret(as_bytes(text)))) << text;
}

TEST_F(SealTest, AKeyedHashDependsOnKeyAndPurpose) {
    const auto hash = [](const MasterKey& master, std::string_view purpose) {
        return KeyedHash::create(master, purpose).value()(as_bytes("swissnum"));
    };
    const StaticMasterKey other = StaticMasterKey::generate(random_);
    EXPECT_EQ(hash(master_, "a"), hash(master_, "a"));
    EXPECT_NE(hash(master_, "a"), hash(master_, "b"));
    EXPECT_NE(hash(master_, "a"), hash(other, "a"));
}

}  // namespace
}  // namespace s4::crypto
