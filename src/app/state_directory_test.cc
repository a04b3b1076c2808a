#include "app/state_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/scratch_folder_test.h"
#include "codec/json.h"
#include "rt/asio/posix_files.h"

namespace s4::app {
namespace {

using ::testing::HasSubstr;

class StateDirectoryTest : public ::testing::Test {
  protected:
    std::string state() const { return folder_.file("state"); }
    std::string content(const std::string& name) {
        return to_string(*rt::read_file(files_, state() + "/" + name, 1024 * 1024));
    }

    ScratchFolder folder_;
    rt::asio::PosixFiles files_;
    crypto::SystemRandom random_;
};

TEST_F(StateDirectoryTest, IsHeldByOneProcess) {
    auto first = StateDirectory::open(files_, state());
    ASSERT_TRUE(first.has_value()) << first.error().to_string();
    const auto second = StateDirectory::open(files_, state());
    ASSERT_FALSE(second.has_value());
    EXPECT_TRUE(second.error().is("app.state_in_use"));
    EXPECT_THAT(second.error().message(), HasSubstr("stop it, or give another --state"));
}

TEST_F(StateDirectoryTest, BlobsWithoutTheirDatabaseAreRefused) {
    auto opened = StateDirectory::open(files_, state());
    EXPECT_TRUE(opened->check_database().has_value());
    ASSERT_TRUE(files_.make_directories(opened->blobs_path()).has_value());
    EXPECT_TRUE(opened->check_database().has_value());
    ASSERT_TRUE(files_.make_directories(opened->blobs_path() + "/17").has_value());
    const auto refused = opened->check_database();
    ASSERT_TRUE(refused.error().is("app.database_missing"));
    EXPECT_THAT(refused.error().message(), HasSubstr("shares of 1 grid(s)"));
    ASSERT_TRUE(rt::replace_file(files_, opened->database_path(), as_bytes("x")).has_value());
    EXPECT_TRUE(opened->check_database().has_value());
}

TEST_F(StateDirectoryTest, RefusesWhatCannotBeItWithASentence) {
    EXPECT_TRUE(
        StateDirectory::open(files_, folder_.file("none/state")).error().is("app.state_missing"));
    ASSERT_TRUE(rt::replace_file(files_, state(), as_bytes("a file")).has_value());
    EXPECT_THAT(StateDirectory::open(files_, state()).error().message(), HasSubstr("is a file"));
}

TEST_F(StateDirectoryTest, KeepsItsMasterKey) {
    auto directory = StateDirectory::open(files_, state());
    const auto made = directory->master_key(random_);
    ASSERT_TRUE(made.has_value());
    const auto read = directory->master_key(random_);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(made->to_file(), read->to_file());
}

TEST_F(StateDirectoryTest, NeverMakesANewMasterKeyForAnOldDatabase) {
    auto directory = StateDirectory::open(files_, state());
    ASSERT_TRUE(rt::replace_file(files_, directory->database_path(), as_bytes("x")).has_value());
    EXPECT_TRUE(directory->master_key(random_).error().is("app.master_key_missing"));
    ASSERT_TRUE(
        rt::replace_file(files_, state() + "/master.key", as_bytes("nonsense")).has_value());
    EXPECT_TRUE(directory->master_key(random_).error().is("master_key.invalid"));
}

TEST_F(StateDirectoryTest, PortZeroIsThePortOfLastTime) {
    const Addresses bound{{"127.0.0.1", 1111}, {"127.0.0.1", 2222}, {"127.0.0.1", 3333}};
    auto directory = StateDirectory::open(files_, state());
    EXPECT_EQ(directory->with_kept_port("gate", {"127.0.0.1", 0})->port, 0);
    ASSERT_TRUE(directory->keep_ports(bound).has_value());
    EXPECT_EQ(directory->with_kept_port("gate", {"127.0.0.1", 0})->port, 2222);
    EXPECT_EQ(directory->with_kept_port("gate", {"127.0.0.1", 4444})->port, 4444);
}

TEST_F(StateDirectoryTest, AnnouncesWhereTheServerListensAndTakesItBack) {
    const Addresses bound{{"127.0.0.1", 1111}, {"127.0.0.1", 2222}, {"::1", 3333}};
    auto directory = StateDirectory::open(files_, state());
    ASSERT_TRUE(directory->announce(bound).has_value());
    EXPECT_EQ(content("addresses.json"),
              R"({"web":"127.0.0.1:1111","gate":"127.0.0.1:2222","admin":"[::1]:3333"})"
              "\n");
    directory->withdraw();
    EXPECT_FALSE(files_.info(state() + "/addresses.json").has_value());
}

}  // namespace
}  // namespace s4::app
