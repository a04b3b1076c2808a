#include "proto/tls/engine.h"

#include <gtest/gtest.h>

#include "crypto/random.h"
#include "proto/tls/limits.h"

namespace s4::proto::tls {
namespace {

// Carries what each end has made to the other, `step` bytes at a time, until neither has anything
// left.
struct Pair {
    Engine client;
    Engine server;

    void carry(std::size_t step = 1 << 20) {
        while (!client.output().empty() || !server.output().empty()) {
            move(client, server, step);
            move(server, client, step);
        }
    }

    static void move(Engine& from, Engine& to, std::size_t step) {
        const std::size_t n = std::min(step, from.output().size());
        to.feed(from.output().first(n));
        from.output_sent(n);
    }

    Result<void> shake(std::size_t step = 1 << 20) {
        for (int i = 0; i < 100000; ++i) {
            const auto c = client.handshake();
            const auto s = server.handshake();
            if (!s) return fail(s.error());
            if (!c) return fail(c.error());
            if (*c == Engine::Progress::done && *s == Engine::Progress::done) return ok();
            move(client, server, step);
            move(server, client, step);
        }
        return fail(ErrorKind::timeout, "test.stuck", "the handshake does not end");
    }
};

class TlsEngine : public testing::Test {
  protected:
    Library library_ = *Library::create();
    crypto::SystemRandom random_;
    crypto::TlsIdentity service_ = crypto::TlsIdentity::generate(random_, 0);
    crypto::TlsIdentity tub_ = crypto::TlsIdentity::generate(random_, 0);

    Pair pair(const PeerPolicy& of_server, const PeerPolicy& of_client,
              const crypto::TlsIdentity* client_identity = nullptr) {
        return {*Engine::client(library_, client_identity, of_client),
                *Engine::server(library_, service_, of_server)};
    }
    Pair gbs_pair() {
        return pair(PeerPolicy::anonymous(),
                    PeerPolicy::pinned_key(service_.certificate.spki_hash_bytes()));
    }
};

ByteBuffer read_all(Engine& engine) {
    ByteBuffer all;
    std::array<std::uint8_t, 5000> piece;
    for (;;) {
        const auto read = engine.read(piece);
        EXPECT_TRUE(read) << read.error().to_string();
        if (!read || read->what != Engine::Read::What::data) return all;
        append(all, ByteView(piece).first(read->bytes));
    }
}

TEST_F(TlsEngine, carries_bytes_both_ways_under_tls_1_3) {
    Pair p = gbs_pair();
    ASSERT_TRUE(p.shake());
    EXPECT_EQ(p.server.version(), "TLSv1.3");
    ASSERT_TRUE(p.client.write(as_bytes("GET")));
    ASSERT_TRUE(p.server.write(as_bytes("200")));
    p.carry();
    EXPECT_EQ(to_string(read_all(p.server)), "GET");
    EXPECT_EQ(to_string(read_all(p.client)), "200");
    EXPECT_FALSE(p.server.peer_certificate_der());
    EXPECT_TRUE(equal(*p.client.peer_certificate_der(), service_.certificate.der()));
}

TEST_F(TlsEngine, shakes_hands_when_every_byte_comes_alone) {
    Pair p = pair(PeerPolicy::any_tub(),
                  PeerPolicy::pinned_tub(service_.certificate.tub_id_bytes()), &tub_);
    ASSERT_TRUE(p.shake(1));
    EXPECT_TRUE(equal(*p.server.peer_certificate_der(), tub_.certificate.der()));
}

TEST_F(TlsEngine, a_listener_that_requests_a_certificate_takes_a_peer_without_one) {
    Pair p =
        pair(PeerPolicy::any_tub(), PeerPolicy::pinned_tub(service_.certificate.tub_id_bytes()));
    ASSERT_TRUE(p.shake());
    EXPECT_FALSE(p.server.peer_certificate_der());
}

TEST_F(TlsEngine, a_client_refuses_another_key_than_the_pinned_one) {
    Pair p =
        pair(PeerPolicy::anonymous(), PeerPolicy::pinned_key(tub_.certificate.spki_hash_bytes()));
    const auto shaken = p.shake();
    ASSERT_FALSE(shaken);
    EXPECT_EQ(p.client.handshake().error().code(), "tls.peer_certificate");
    EXPECT_FALSE(p.client.output().empty()) << "an alert tells the server";
}

TEST_F(TlsEngine, a_client_refuses_another_tub_than_the_pinned_one) {
    Pair p = pair(PeerPolicy::anonymous(), PeerPolicy::pinned_tub(tub_.certificate.tub_id_bytes()));
    ASSERT_FALSE(p.shake());
    EXPECT_EQ(p.client.handshake().error().code(), "tls.peer_certificate");
}

TEST_F(TlsEngine, a_large_write_of_many_pieces_arrives_in_order) {
    Pair p = gbs_pair();
    ASSERT_TRUE(p.shake());
    ByteBuffer head(300, 'h');
    ByteBuffer body(5 * kRecordPlaintextBytesMax + 17);
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<std::uint8_t>(i * 7);
    const std::array<ByteView, 3> pieces{ByteView(head), ByteView(), ByteView(body)};
    ASSERT_TRUE(p.server.write(pieces));
    p.carry(777);
    ByteBuffer all = head;
    append(all, body);
    EXPECT_EQ(read_all(p.client), all);
}

TEST_F(TlsEngine, short_pieces_share_one_record) {
    Pair p = gbs_pair();
    ASSERT_TRUE(p.shake());
    p.carry();
    const std::array<ByteView, 2> pieces{as_bytes("head"), as_bytes("body")};
    ASSERT_TRUE(p.server.write(pieces));
    EXPECT_EQ(p.server.output().size(), 5 + 8 + 1 + 16);  // one header, one type byte, one tag
}

TEST_F(TlsEngine, close_notify_is_a_clean_end_and_a_cut_stream_is_not) {
    Pair p = gbs_pair();
    ASSERT_TRUE(p.shake());
    ASSERT_TRUE(p.server.write(as_bytes("bye")));
    p.server.close();
    p.carry();
    std::array<std::uint8_t, 10> out;
    EXPECT_EQ(p.client.read(out)->bytes, 3);
    EXPECT_EQ(p.client.read(out)->what, Engine::Read::What::closed);
    p.server.input_ended();
    const auto cut = p.server.read(out);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code(), "tls.truncated");
}

TEST_F(TlsEngine, garbage_ends_the_handshake_with_an_error) {
    Pair p = gbs_pair();
    p.server.feed(as_bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    const auto progress = p.server.handshake();
    ASSERT_FALSE(progress);
    EXPECT_EQ(progress.error().code(), "tls.handshake");
    EXPECT_EQ(p.server.handshake().error().code(), "tls.handshake") << "it stays failed";
}

TEST_F(TlsEngine, a_changed_byte_of_a_record_is_found) {
    Pair p = gbs_pair();
    ASSERT_TRUE(p.shake());
    p.carry();
    ASSERT_TRUE(p.client.write(as_bytes("pay 10")));
    ByteBuffer record = to_buffer(p.client.output());
    record[record.size() / 2] ^= 1;
    p.server.feed(record);
    std::array<std::uint8_t, 10> out;
    const auto read = p.server.read(out);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code(), "tls.protocol");
}

// The beginning of a ClientHello of 16 KiB, cut into records of one byte each, so that it takes six
// times as much.
ByteBuffer dribbled_hello(std::size_t bytes) {
    const ByteBuffer hello{1, 0, 0x40, 0};
    ByteBuffer out;
    for (std::size_t i = 0; out.size() < bytes; ++i)
        append(out, ByteBuffer{0x16, 3, 1, 0, 1, i < hello.size() ? hello[i] : std::uint8_t{0}});
    out.resize(bytes);
    return out;
}

TEST_F(TlsEngine, a_handshake_at_the_limit_goes_on_and_one_byte_past_it_is_refused) {
    Pair p = gbs_pair();
    p.server.feed(dribbled_hello(kHandshakeInputBytesMax));
    EXPECT_EQ(*p.server.handshake(), Engine::Progress::want_input);
    Pair q = gbs_pair();
    q.server.feed(dribbled_hello(kHandshakeInputBytesMax + 1));
    const auto past = q.server.handshake();
    ASSERT_FALSE(past);
    EXPECT_EQ(past.error().code(), "tls.handshake_too_large");
}

TEST_F(TlsEngine, an_idle_connection_gives_its_buffers_back) {
    Pair p = gbs_pair();
    ASSERT_TRUE(p.shake());
    p.carry();
    p.client.release_buffers();
    ASSERT_TRUE(p.client.write(as_bytes("still here")));
    p.carry();
    EXPECT_EQ(to_string(read_all(p.server)), "still here");
}

}  // namespace
}  // namespace s4::proto::tls
