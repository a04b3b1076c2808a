#include "control/server.h"

#include "base/log.h"
#include "rt/sync.h"

namespace s4::control {
namespace {

// The lines of one answer, which a command tells while it runs and the connection sends. Progress
// that nobody has sent yet is replaced by what came after it.
class Outbox {
  public:
    explicit Outbox(rt::Reactor& reactor) : filled_(reactor) {}

    void tell(std::string_view progress) {
        progress_ = progress_line(progress);
        filled_.set();
    }
    void finish(std::string last) {
        last_ = std::move(last);
        filled_.set();
    }

    // Sends until the last line is out.
    rt::Task<Result<void>> send_all(const rt::Context& ctx, rt::Stream& stream) {
        for (;;) {
            CO_TRY(co_await filled_.wait(ctx));
            filled_.clear();
            if (!progress_.empty()) {
                const std::string line = std::exchange(progress_, {});
                CO_TRY(co_await stream.write_all(ctx, as_bytes(line)));
            }
            if (last_.empty()) continue;
            co_return co_await stream.write_all(ctx, as_bytes(last_));
        }
    }

  private:
    rt::Event filled_;
    std::string progress_;
    std::string last_;
};

rt::Task<void> run_command(const rt::Context& ctx, Commands& commands, Request request,
                           Outbox& outbox) {
    const std::string name = request.command;
    const Result<codec::json::Value> value = co_await commands.run(
        ctx, std::move(request), [&outbox](std::string_view progress) { outbox.tell(progress); });
    if (!value)
        log::info("control", "a command failed", {{"command", name}, {"error", value.error()}});
    outbox.finish(value ? ok_line(*value) : error_line(value.error()));
}

}  // namespace

void Server::start(const rt::Context& ctx) {
    scope_ = std::make_unique<rt::Scope>(ctx);
    scope_->spawn(accept_all(scope_->context()));
}

rt::Task<void> Server::stop() {
    if (!scope_) co_return;
    listener_->close();
    scope_->cancel();
    co_await scope_->join();
    scope_.reset();
}

rt::Task<void> Server::accept_all(const rt::Context& ctx) {
    for (;;) {
        Result<std::unique_ptr<rt::Stream>> stream = co_await listener_->accept(ctx);
        if (!stream) co_return;
        if (connections_ >= kConnectionsMax) continue;
        scope_->spawn(serve(ctx, std::move(*stream)));
    }
}

rt::Task<void> Server::serve(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream) {
    ++connections_;
    LineReader lines;
    ByteBuffer buffer(4 * kKiB);
    for (bool open = true; open;) {
        const Result<std::optional<std::string>> line = lines.next();
        if (!line) {
            (void)co_await stream->write_all(ctx, as_bytes(error_line(line.error())));
            break;
        }
        if (*line) {
            open = (co_await answer_one(ctx, *stream, **line)).has_value();
            continue;
        }
        const Result<std::size_t> got =
            co_await stream->read_some(ctx.until(reactor_.now() + kRequestTimeMax), buffer);
        open = got && *got > 0;
        if (open) lines.feed(ByteView(buffer).first(*got));
    }
    --connections_;
}

rt::Task<Result<void>> Server::answer_one(const rt::Context& ctx, rt::Stream& stream,
                                          const std::string& line) {
    Outbox outbox(reactor_);
    rt::Scope command(ctx);
    Result<Request> request = parse_request(line);
    if (request) {
        command.spawn(run_command(command.context(), commands_, std::move(*request), outbox));
    } else {
        outbox.finish(error_line(request.error()));
    }
    const Result<void> sent = co_await outbox.send_all(ctx, stream);
    if (!sent) command.cancel();  // the operator went away
    co_await command.join();
    co_return sent;
}

}  // namespace s4::control
