// Counters, gauges and histograms of the process, kept by prometheus-cpp and served as text on
// /metrics.
//
//   static metrics::Counter& closed = metrics::counter("s4_gate_connections_closed_total",
//   "Connections closed", {{"why", "idle"}}); closed.add();
//
// A metric lives for ever once made; making one takes a lock, using one does not. The number of
// label values must not grow with the number of tenants.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace s4::metrics {

using Labels = std::initializer_list<std::pair<const char*, const char*>>;

class Counter {
  public:
    virtual ~Counter() = default;
    virtual void add(double amount = 1) = 0;
    virtual double value() const = 0;
};

class Gauge {
  public:
    virtual ~Gauge() = default;
    virtual void add(double amount) = 0;
    virtual void set(double value) = 0;
    virtual double value() const = 0;
};

class Histogram {
  public:
    virtual ~Histogram() = default;
    virtual void observe(double value) = 0;
};

// The same name and labels give the same metric.
Counter& counter(const std::string& name, const std::string& help, Labels labels = {});
Gauge& gauge(const std::string& name, const std::string& help, Labels labels = {});
Histogram& histogram(const std::string& name, const std::string& help,
                     std::vector<double> bucket_bounds, Labels labels = {});

// Everything, in Prometheus's text format 0.0.4.
std::string text();

}  // namespace s4::metrics
