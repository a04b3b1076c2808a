#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <memory>
#include <mutex>

namespace s4::metrics {
namespace {

using Key = std::pair<std::string, std::map<std::string, std::string>>;

class CounterOf final : public Counter {
  public:
    explicit CounterOf(prometheus::Counter& inner) : inner_(inner) {}
    void add(double amount) override { inner_.Increment(amount); }
    double value() const override { return inner_.Value(); }

  private:
    prometheus::Counter& inner_;
};

class GaugeOf final : public Gauge {
  public:
    explicit GaugeOf(prometheus::Gauge& inner) : inner_(inner) {}
    void add(double amount) override { inner_.Increment(amount); }
    void set(double value) override { inner_.Set(value); }
    double value() const override { return inner_.Value(); }

  private:
    prometheus::Gauge& inner_;
};

class HistogramOf final : public Histogram {
  public:
    explicit HistogramOf(prometheus::Histogram& inner) : inner_(inner) {}
    void observe(double value) override { inner_.Observe(value); }

  private:
    prometheus::Histogram& inner_;
};

struct Store {
    std::mutex mutex;
    prometheus::Registry registry;
    std::map<Key, std::unique_ptr<Counter>> counters;
    std::map<Key, std::unique_ptr<Gauge>> gauges;
    std::map<Key, std::unique_ptr<Histogram>> histograms;
};

Store& store() {
    static Store& the_store =
        *new Store;  // never destroyed: metrics are used until the process ends
    return the_store;
}

Key key_of(const std::string& name, Labels labels) {
    Key key{name, {}};
    for (const auto& [label, value] : labels) key.second.emplace(label, value);
    return key;
}

}  // namespace

Counter& counter(const std::string& name, const std::string& help, Labels labels) {
    Store& s = store();
    const std::lock_guard lock(s.mutex);
    const Key key = key_of(name, labels);
    auto& slot = s.counters[key];
    if (!slot)
        slot = std::make_unique<CounterOf>(
            prometheus::BuildCounter().Name(name).Help(help).Register(s.registry).Add(key.second));
    return *slot;
}

Gauge& gauge(const std::string& name, const std::string& help, Labels labels) {
    Store& s = store();
    const std::lock_guard lock(s.mutex);
    const Key key = key_of(name, labels);
    auto& slot = s.gauges[key];
    if (!slot)
        slot = std::make_unique<GaugeOf>(
            prometheus::BuildGauge().Name(name).Help(help).Register(s.registry).Add(key.second));
    return *slot;
}

Histogram& histogram(const std::string& name, const std::string& help,
                     std::vector<double> bucket_bounds, Labels labels) {
    Store& s = store();
    const std::lock_guard lock(s.mutex);
    const Key key = key_of(name, labels);
    auto& slot = s.histograms[key];
    if (!slot)
        slot = std::make_unique<HistogramOf>(prometheus::BuildHistogram()
                                                 .Name(name)
                                                 .Help(help)
                                                 .Register(s.registry)
                                                 .Add(key.second, std::move(bucket_bounds)));
    return *slot;
}

std::string text() {
    return prometheus::TextSerializer().Serialize(store().registry.Collect());
}

}  // namespace s4::metrics
