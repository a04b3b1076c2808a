// Which status and sentence a GBS client gets for an error of the engine (reference D.6, with the
// kinder choices of the table in README.md).
#pragma once

#include "base/result.h"
#include "proto/gbs/server.h"

namespace s4::gate {

int status_of(proto::gbs::Route route, const Error& error);
proto::gbs::Answer answer_of(proto::gbs::Route route, const Error& error);

}  // namespace s4::gate
