#include "proto/foolscap/message_writer.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace s4::proto::foolscap {
namespace {

std::string_view opentype_of(Value::Kind kind) {
    switch (kind) {
        case Value::Kind::list:
            return "list";
        case Value::Kind::tuple:
            return "tuple";
        case Value::Kind::set:
            return "set";
        case Value::Kind::immutable_set:
            return "immutable-set";
        default:
            UNREACHABLE("only sequences are asked for");
    }
}

void write_integer(Encoder& out, std::uint64_t value) {
    out.integer(static_cast<std::int64_t>(value));
}

// Integers and byte strings sort as Python would; other or mixed keys keep their order.
std::vector<const Value::Entry*> in_order(const Value::Entries& entries) {
    std::vector<const Value::Entry*> out;
    out.reserve(entries.size());
    for (const Value::Entry& entry : entries) out.push_back(&entry);
    const auto all_are = [&entries](Value::Kind kind) {
        return std::ranges::all_of(
            entries, [kind](const auto& entry) { return entry.first.kind() == kind; });
    };
    if (all_are(Value::Kind::integer))
        std::ranges::sort(out, {}, [](auto* entry) { return *entry->first.as_i64(); });
    if (all_are(Value::Kind::bytes))
        std::ranges::sort(out, {}, [](auto* entry) { return as_text(*entry->first.as_bytes()); });
    return out;
}

void write_dict(Encoder& out, Exporter& exporter, const Value::Entries& entries) {
    out.open("dict");
    for (const Value::Entry* entry : in_order(entries)) {
        write_value(out, exporter, entry->first);
        write_value(out, exporter, entry->second);
    }
    out.close();
}

// The reference's order of the four keys.
void write_failure(Encoder& out, const Failure& unbounded) {
    const Failure failure = unbounded.bounded();
    out.open("copyable");
    out.string("twisted.python.failure.Failure");
    out.string("value");
    out.string(failure.value);
    out.string("type");
    out.string(failure.type);
    out.string("traceback");
    out.string(failure.traceback);
    out.string("parents");
    out.open("list");
    for (const std::string& parent : failure.parents) out.string(parent);
    out.close();
    out.close();
}

void write_referenceable(Encoder& out, Exporter& exporter, const Referenceable& object) {
    const Exporter::Export exported = exporter.export_object(object);
    out.open("my-reference");
    write_integer(out, exported.clid);
    if (exported.is_first) out.string(object.interface_name);
    out.close();
}

void write_arguments(Encoder& out, Exporter& exporter, const Arguments& arguments) {
    out.open("arguments");
    write_integer(out, arguments.positional.size());
    for (const Value& value : arguments.positional) write_value(out, exporter, value);
    for (const auto& [name, value] : arguments.keyword) {
        out.string(name);
        write_value(out, exporter, value);
    }
    out.close();
}

}  // namespace

void write_value(Encoder& out, Exporter& exporter, const Value& value) {
    switch (value.kind()) {
        case Value::Kind::none:
            out.open("none");
            return out.close();
        case Value::Kind::boolean:
            out.open("boolean");
            out.integer(*value.as_bool() ? 1 : 0);
            return out.close();
        case Value::Kind::integer:
            return out.integer(*value.as_i64());
        case Value::Kind::big_integer:
            return out.integer(*value.as_big_integer());
        case Value::Kind::floating:
            return out.floating(*value.as_double());
        case Value::Kind::bytes:
            return out.string(*value.as_bytes());
        case Value::Kind::text:
            out.open("unicode");
            out.string(*value.as_text());
            return out.close();
        case Value::Kind::list:
        case Value::Kind::tuple:
        case Value::Kind::set:
        case Value::Kind::immutable_set:
            out.open(opentype_of(value.kind()));
            for (const Value& item : *value.as_sequence()) write_value(out, exporter, item);
            return out.close();
        case Value::Kind::dict:
            return write_dict(out, exporter, *value.as_dict());
        case Value::Kind::failure:
            return write_failure(out, *value.as_failure());
        case Value::Kind::referenceable:
            return write_referenceable(out, exporter, *value.as_referenceable());
        case Value::Kind::remote_reference:
            out.open("your-reference");
            write_integer(out, value.as_remote()->clid);
            return out.close();
        case Value::Kind::supplied_bytes:
            return out.string(*value.as_supplied());
        case Value::Kind::streamed_bytes:
            UNREACHABLE("streamed bytes are never sent");
    }
}

void write_call(Encoder& out, Exporter& exporter, std::uint64_t request, std::uint64_t clid,
                std::string_view method, const Arguments& arguments) {
    out.open("call");
    write_integer(out, request);
    write_integer(out, clid);
    out.string(method);
    write_arguments(out, exporter, arguments);
    out.close();
}

void write_prepared_call(Encoder& out, std::uint64_t request, std::uint64_t clid,
                         std::string_view method, ByteView arguments) {
    out.open("call");
    write_integer(out, request);
    write_integer(out, clid);
    out.string(method);
    out.prepared(arguments);
    out.close();
}

ByteBuffer prepare_arguments(const Arguments& arguments) {
    class None final : public Exporter {
        Export export_object(const Referenceable&) override {
            UNREACHABLE("what is prepared for any connection holds no objects of one");
        }
    };
    None exporter;
    Encoder out = Encoder::for_any_connection();
    write_arguments(out, exporter, arguments);
    return std::move(out.out());
}

void write_answer(Encoder& out, Exporter& exporter, std::uint64_t request, const Value& value) {
    out.open("answer");
    write_integer(out, request);
    write_value(out, exporter, value);
    out.close();
}

void write_error(Encoder& out, std::uint64_t request, const Failure& failure) {
    out.open("error");
    write_integer(out, request);
    write_failure(out, failure);
    out.close();
}

std::size_t count_referenceables(const Value& value) {
    std::size_t count = value.as_referenceable() != nullptr ? 1 : 0;
    if (const auto* items = value.as_sequence())
        for (const Value& item : *items) count += count_referenceables(item);
    if (const auto* entries = value.as_dict())
        for (const auto& [key, item] : *entries)
            count += count_referenceables(key) + count_referenceables(item);
    return count;
}

}  // namespace s4::proto::foolscap
