#include "app/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s4::app {
namespace {

using ::testing::HasSubstr;

Result<ServeOptions> options(std::initializer_list<SettingValues> layers) {
    return make_serve_options(std::span(layers.begin(), layers.size()));
}

TEST(Settings, DefaultsServeOnLoopback) {
    const auto made = options({});
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    EXPECT_EQ(made->web.host, "127.0.0.1");
    EXPECT_EQ(made->gate.host, "127.0.0.1");
    EXPECT_TRUE(made->signup_open);
}

TEST(Settings, TheFirstLayerHasTheLastWord) {
    const auto made = options({{{"state", "a/"}}, {{"state", "b"}, {"signup", "closed"}}});
    ASSERT_TRUE(made.has_value());
    EXPECT_EQ(made->state, "a");
    EXPECT_FALSE(made->signup_open);
}

TEST(Settings, FileTakesKnownKeysOnly) {
    const auto good = parse_settings_file("state: /srv/s4\nsignup: closed\n", "s4.yaml");
    ASSERT_TRUE(good.has_value());
    EXPECT_EQ(good->at("signup"), "closed");
    const auto unknown = parse_settings_file("stat: /srv/s4\n", "s4.yaml");
    ASSERT_FALSE(unknown.has_value());
    EXPECT_THAT(unknown.error().message(),
                HasSubstr("'stat' is not a setting; there are: state, gate"));
    EXPECT_THAT(parse_settings_file("a: [1,\n", "s4.yaml").error().message(),
                HasSubstr("s4.yaml, line"));
    EXPECT_FALSE(parse_settings_file("- a\n", "s4.yaml").has_value());
    EXPECT_FALSE(parse_settings_file("state: [a]\n", "s4.yaml").has_value());
    EXPECT_TRUE(parse_settings_file("", "s4.yaml").has_value());
}

TEST(Settings, EnvironmentIsNamedAfterTheKey) {
    const std::vector<std::string> good{"PATH=/bin", "S4_GATE_PUBLIC=s4.example:443", "S4_BIN=x"};
    EXPECT_EQ(settings_from_environment(good)->at("gate-public"), "s4.example:443");
    const std::vector<std::string> bad{"S4_GATES=1"};
    EXPECT_THAT(settings_from_environment(bad).error().message(), HasSubstr("S4_GATES"));
}

struct Refused {
    SettingValues values;
    const char* says;
};

TEST(Settings, WhatDoesNotFitIsRefusedWithWhatWould) {
    const Refused cases[] = {
        {{{"state", ""}}, "state is empty"},
        {{{"gate", "nowhere"}}, "write HOST:PORT"},
        {{{"gate", "0.0.0.0:8470"}}, "give --gate-public"},
        {{{"gate-public", "s4.example:0"}}, "cannot be 0"},
        {{{"web", "0.0.0.0:80"}}, "without TLS"},
        {{{"web", "0.0.0.0:80"}, {"behind-proxy", "yes"}}, "--allow-test-payments"},
        {{{"web-tls-cert", "a.pem"}}, "go together"},
        {{{"web-public", "s4.example"}}, "https://s4.example"},
        {{{"web-public", "https://s4.example/"}}, "without a slash"},
        {{{"signup", "maybe"}}, "give one of: open closed"},
        {{{"behind-proxy", "perhaps"}}, "give yes or no"},
        {{{"drain", "-1"}}, "whole number of seconds"},
        {{{"threads", "0"}}, "from 1 to 64"},
        {{{"threads", "65"}}, "from 1 to 64"},
        {{{"state", "/tmp/state"}, {"ship-log", "/tmp/state"}}, "best on another disk"},
        {{{"state", "/tmp/state"}, {"ship-log", "/tmp/x/../state/log/"}}, "best on another disk"},
    };
    for (const Refused& refused : cases) {
        const auto made = options({refused.values});
        ASSERT_FALSE(made.has_value()) << refused.says;
        EXPECT_THAT(made.error().message(), HasSubstr(refused.says));
    }
}

TEST(Settings, TheShippedLogGoesBesideTheStateDirectory) {
    const auto made = options({{{"state", "/tmp/state"}, {"ship-log", "/tmp/state-log"}}});
    ASSERT_TRUE(made.has_value());
    EXPECT_EQ(made->ship_log, "/tmp/state-log");
    EXPECT_FALSE(options({})->ship_log.has_value());
}

TEST(Settings, TestPaymentsOffLoopbackMustBeMeant) {
    EXPECT_TRUE(
        options({{{"web", "0.0.0.0:80"}, {"behind-proxy", "yes"}, {"allow-test-payments", "yes"}}})
            .has_value());
}

}  // namespace
}  // namespace s4::app
