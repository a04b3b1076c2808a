// The test library's headers, compiled once for all tests, on top of pch.h. Each test still includes what it uses.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
