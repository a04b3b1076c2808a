#include "introducer/announcement.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "crypto/seeded_random.h"
#include "introducer/limits.h"

namespace s4::introducer {
namespace {

crypto::Ed25519PrivateKey key(std::uint64_t seed = 1) {
    crypto::SeededRandom random(seed);
    return crypto::Ed25519PrivateKey::generate(random);
}

SignedAnnouncement sign(std::string message, std::uint64_t seed = 1) {
    SignedAnnouncement out;
    out.signature = crypto::signature_text(key(seed).sign(as_bytes(message)));
    out.message = std::move(message);
    out.key = key(seed).public_key().server_id();
    return out;
}

Announcement parsed(std::string message) {
    return verify(sign(std::move(message))).value();
}

const StorageServer kServer{.furl = "pb://tubid@tcp:h:1/name",
                            .nurls = {"pb://a@h:1/n#v=1", "pb://b@h:2/n#v=1"},
                            .permutation_seed = "aaaa",
                            .nickname = "S4",
                            .version = "s4/1.0"};

TEST(Announcement, IsReadAndKeptUnchanged) {
    const SignedAnnouncement parts =
        sign(R"({ "service-name":"storage",  "seqnum": 7, "x": [1] })");
    const Announcement announcement = verify(parts).value();
    EXPECT_EQ(announcement.parts, parts);
    EXPECT_EQ(announcement.service, "storage");
    EXPECT_EQ(announcement.seqnum, 7);
}

TEST(Announcement, IsRefusedAsTahoesIntroducerRefusesIt) {
    const SignedAnnouncement good = sign(R"({"service-name":"storage"})");
    const auto code = [&](auto change) {
        SignedAnnouncement parts = good;
        change(parts);
        const auto result = verify(parts);
        return result ? "" : std::string(result.error().code()) + ": " + result.error().message();
    };
    EXPECT_EQ(code([](auto&) {}), "");
    const std::string is_unsigned = "introducer.unsigned: only signed announcements recognized";
    EXPECT_EQ(code([](auto& p) { p.signature = ""; }), is_unsigned);
    EXPECT_EQ(code([](auto& p) { p.key = ""; }), is_unsigned);
    EXPECT_EQ(code([](auto& p) { p.signature = "v1-aaaa"; }),
              "introducer.unknown_signature: only v0- signatures recognized");
    EXPECT_EQ(code([](auto& p) { p.signature = "aaaa", p.key = "bbbb"; }),
              "introducer.unknown_signature: only v0- signatures recognized");
    EXPECT_EQ(code([](auto& p) { p.key = "v1-aaaa"; }),
              "introducer.unknown_key: only v0- keys recognized");
    const std::string bad = "introducer.bad_signature: ";
    EXPECT_EQ(code([](auto& p) { p.message += " "; }), bad);
    EXPECT_EQ(code([](auto& p) { p.signature = "v0-aaaa"; }), bad);
    EXPECT_EQ(code([](auto& p) { p.key = "v0-aaaa"; }), bad);
    EXPECT_EQ(code([](auto& p) { p.key = key(2).public_key().server_id(); }), bad);
}

TEST(Announcement, SignedNonsenseIsNoAnnouncement) {
    for (const std::string_view message :
         {"", "{", "[]", "\"storage\"", "{}", R"({"service-name":1})", R"({"service-name":""})",
          "\xff"})
        EXPECT_EQ(verify(sign(std::string(message))).error().code(),
                  "introducer.invalid_announcement")
            << message;
}

TEST(Announcement, LimitsHoldAtTheEdge) {
    const auto sized = [](std::size_t size) {
        std::string message = R"({"service-name":"storage","x":""})";
        message.insert(message.size() - 2, std::string(size - message.size(), 'x'));
        return sign(message);
    };
    EXPECT_TRUE(verify(sized(kMessageBytesMax)));
    EXPECT_EQ(verify(sized(kMessageBytesMax + 1)).error().code(), "introducer.too_large");
    const auto named = [](std::size_t size) {
        return sign(R"({"service-name":")" + std::string(size, 's') + "\"}");
    };
    EXPECT_TRUE(verify(named(kServiceNameBytesMax)));
    EXPECT_EQ(verify(named(kServiceNameBytesMax + 1)).error().code(),
              "introducer.invalid_announcement");
    SignedAnnouncement long_key = sized(100);
    long_key.key = std::string(kKeyTextBytesMax + 1, 'a');
    EXPECT_EQ(verify(long_key).error().code(), "introducer.too_large");
}

TEST(Announcement, FollowsAnotherByTheTableOfTheReference) {
    const auto with = [](std::string_view seqnum, int x = 0) {
        std::string text = R"({"service-name":"storage","x":)" + std::to_string(x);
        if (!seqnum.empty()) text += ",\"seqnum\":" + std::string(seqnum);
        return parsed(text + "}");
    };
    const auto decision = [](const Announcement& a, const Announcement& b) {
        return decide(&a, b);
    };
    EXPECT_EQ(decide(nullptr, with("")), Decision::accept);
    EXPECT_EQ(decision(with("1"), with("1")), Decision::duplicate);
    EXPECT_EQ(decision(with(""), with("")), Decision::duplicate);
    EXPECT_EQ(decision(with("5"), with("", 1)), Decision::stale);
    EXPECT_EQ(decision(with("5"), with("\"6\"", 1)), Decision::stale);
    EXPECT_EQ(decision(with("5"), with("6.0", 1)), Decision::stale);
    EXPECT_EQ(decision(with("5"), with("4", 1)), Decision::stale);
    EXPECT_EQ(decision(with("5"), with("5", 1)), Decision::stale);
    EXPECT_EQ(decision(with("5"), with("6", 1)), Decision::accept);
    EXPECT_EQ(decision(with(""), with("", 1)), Decision::accept);
    EXPECT_EQ(decision(with(""), with("-3", 1)), Decision::accept);
    // Members in another order are the same content.
    EXPECT_EQ(decision(parsed(R"({"service-name":"s","seqnum":1,"a":2})"),
                       parsed(R"({"a":2,"seqnum":1,"service-name":"s"})")),
              Decision::duplicate);
}

TEST(OwnAnnouncement, SaysWhatClientsNeedAndVerifies) {
    crypto::SeededRandom random(3);
    const Announcement made = verify(announce(kServer, 42, key(), random)).value();
    EXPECT_EQ(made.service, "storage");
    EXPECT_EQ(made.seqnum, 42);
    EXPECT_EQ(made.parts.key, key().public_key().server_id());
    EXPECT_EQ(*made.content.find("anonymous-storage-FURL")->as_string(), kServer.furl);
    EXPECT_EQ(made.content.find("anonymous-storage-NURLs")->as_array()->size(), 2u);
    EXPECT_EQ(*made.content.find("permutation-seed-base32")->as_string(), "aaaa");
    EXPECT_EQ(made.content.find("nonce")->as_string()->size(), 52u);
    EXPECT_EQ(made.content.find("version")->as_int64(), 0);
    EXPECT_TRUE(made.content.find("app-versions")->is_array());
}

TEST(OwnAnnouncement, WithoutNurlsNamesNone) {
    crypto::SeededRandom random(3);
    StorageServer server = kServer;
    server.nurls.clear();
    const Announcement made = verify(announce(server, 1, key(), random)).value();
    EXPECT_EQ(made.content.find("anonymous-storage-NURLs"), nullptr);
    EXPECT_TRUE(describes(made, server));
    EXPECT_FALSE(describes(made, kServer));
}

TEST(OwnAnnouncement, IsRecognisedWhateverItsNumberAndTheOrderOfNurls) {
    crypto::SeededRandom random(3);
    const Announcement made = verify(announce(kServer, 1, key(), random)).value();
    StorageServer same = kServer;
    std::swap(same.nurls[0], same.nurls[1]);
    EXPECT_TRUE(describes(made, same));
    const auto differs = [&](auto change) {
        StorageServer other = kServer;
        change(other);
        return !describes(made, other);
    };
    EXPECT_TRUE(differs([](auto& s) { s.furl += "x"; }));
    EXPECT_TRUE(differs([](auto& s) { s.nurls.pop_back(); }));
    EXPECT_TRUE(differs([](auto& s) { s.permutation_seed = "b"; }));
    EXPECT_TRUE(differs([](auto& s) { s.nickname = "b"; }));
    EXPECT_TRUE(differs([](auto& s) { s.version = "b"; }));
}

RC_GTEST_PROP(OwnAnnouncement, TheNextNumberIsNewAndNotBehindTheClock,
              (std::int64_t stored, std::uint32_t now)) {
    const std::int64_t next = next_seqnum(stored, now);
    RC_ASSERT(next >= now);
    RC_ASSERT(next > stored || stored == std::numeric_limits<std::int64_t>::max());
    RC_ASSERT(next_seqnum(std::nullopt, now) == now);
}

}  // namespace
}  // namespace s4::introducer
