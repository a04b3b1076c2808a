#include "app/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s4::app {
namespace {

using ::testing::HasSubstr;

CommandLine parse(std::vector<std::string> arguments) {
    return parse_command_line(arguments);
}
Answer answer(std::vector<std::string> arguments) {
    const CommandLine line = parse(std::move(arguments));
    const auto* out = std::get_if<Answer>(&line.command);
    return out == nullptr ? Answer{-1, "parsed"} : *out;
}

TEST(CommandLine, HelpTeaches) {
    const Answer help = answer({"--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.text, HasSubstr("s4 serve"));
    EXPECT_THAT(help.text, HasSubstr("s4 subscription create --email"));
    EXPECT_EQ(answer({}).text, help.text);
    const Answer serve = answer({"serve", "--help"});
    EXPECT_EQ(serve.exit_code, 0);
    for (const Setting& setting : settings())
        EXPECT_THAT(serve.text, HasSubstr("--" + std::string(setting.key)));
}

TEST(CommandLine, WhatIsUnknownIsNamed) {
    EXPECT_EQ(answer({"serve", "--stat", "x"}).exit_code, 2);
    EXPECT_THAT(answer({"serve", "--stat", "x"}).text, HasSubstr("--stat"));
    EXPECT_EQ(answer({"dance"}).exit_code, 2);
    EXPECT_THAT(answer({"subscription", "create"}).text, HasSubstr("--email"));
}

TEST(CommandLine, ServeTakesOnlyTheFlagsThatWereGiven) {
    const CommandLine line = parse({"serve", "--state", "d", "--gate", "127.0.0.1:0",
                                    "--behind-proxy", "--config", "s4.yaml"});
    const auto& serve = std::get<ServeCommand>(line.command);
    EXPECT_EQ(serve.flags,
              (SettingValues{{"state", "d"}, {"gate", "127.0.0.1:0"}, {"behind-proxy", "yes"}}));
    EXPECT_EQ(serve.config_file, "s4.yaml");
}

TEST(CommandLine, SubscriptionVerbsCarryTheirArguments) {
    const CommandLine created = parse({"subscription", "create", "--state", "d", "--email",
                                       "a@b.example", "--plan", "m", "--json"});
    const auto& create = std::get<SubscriptionCommand>(created.command);
    EXPECT_EQ(created.state, "d");
    EXPECT_EQ(create.verb, SubscriptionCommand::Verb::create);
    EXPECT_EQ(create.email, "a@b.example");
    EXPECT_EQ(create.plan, "m");
    EXPECT_TRUE(create.json);
    const CommandLine shown = parse({"subscription", "show", "7"});
    EXPECT_EQ(std::get<SubscriptionCommand>(shown.command).id, "7");
    const CommandLine status = parse({"storage", "status", "7", "--json"});
    EXPECT_EQ(std::get<StorageCommand>(status.command).verb, StorageCommand::Verb::status);
    EXPECT_EQ(std::get<StorageCommand>(status.command).grid, "7");
    EXPECT_TRUE(std::get<StorageCommand>(status.command).json);
    const auto check = std::get<StorageCommand>(
        parse({"storage", "check", "--repair", "--from", "usage 3"}).command);
    EXPECT_EQ(check.verb, StorageCommand::Verb::check);
    EXPECT_TRUE(check.repair);
    EXPECT_EQ(check.from, "usage 3");
    EXPECT_EQ(answer({"storage"}).exit_code, 2);
    const CommandLine collect = parse({"storage", "collect", "7", "--dry-run"});
    EXPECT_TRUE(std::get<StorageCommand>(collect.command).dry_run);
    EXPECT_EQ(answer({"storage", "collect", "7"}).exit_code, 2);
    EXPECT_EQ(std::get<BackupCommand>(parse({"backup", "/b"}).command).directory, "/b");
    EXPECT_EQ(std::get<RestoreCommand>(parse({"restore", "/b"}).command).directory, "/b");
    EXPECT_EQ(std::get<RestoreCommand>(parse({"restore", "--log", "/l"}).command).log, "/l");
    EXPECT_EQ(answer({"restore"}).exit_code, 2);
    EXPECT_EQ(answer({"restore", "--state", "/s"}).exit_code, 2);
}

TEST(CommandLine, StorageNodesComeAndGo) {
    const CommandLine in = parse({"storage", "import-tahoe", "node", "--email", "a@b.example",
                                  "--plan", "m", "--introducer", "intro", "--dry-run"});
    const auto& import = std::get<StorageCommand>(in.command);
    EXPECT_EQ(import.verb, StorageCommand::Verb::import_tahoe);
    EXPECT_EQ(import.directory, "node");
    EXPECT_EQ(import.introducer, "intro");
    EXPECT_EQ(import.email, "a@b.example");
    EXPECT_EQ(import.plan, "m");
    EXPECT_TRUE(import.dry_run);
    EXPECT_EQ(
        std::get<StorageCommand>(parse({"storage", "import-tahoe", "node", "--into", "7"}).command)
            .grid,
        "7");
    EXPECT_EQ(answer({"storage", "import-tahoe", "n", "--into", "7", "--email", "a@b.c"}).exit_code,
              2);
    const CommandLine out = parse(
        {"storage", "export-tahoe", "7", "d", "--location", "h:1", "--introducer-location", "h:2"});
    const auto& to = std::get<StorageCommand>(out.command);
    EXPECT_EQ(to.verb, StorageCommand::Verb::export_tahoe);
    EXPECT_EQ(to.grid, "7");
    EXPECT_EQ(to.directory, "d");
    EXPECT_EQ(to.location, "h:1");
    EXPECT_EQ(to.introducer_location, "h:2");
}

}  // namespace
}  // namespace s4::app
