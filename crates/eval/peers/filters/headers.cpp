// hnswlib and usearch under a filter, in C++: their Python bindings call back into Python for every node, or take no filter.
//
//   headers hnswlib|usearch BASE.fbin QUERIES.fbin l2|cosine M EF_CONSTRUCTION INDEX
//
// Speaks the little protocol of run.py on stdin and stdout. INDEX is made if it is not there. Build with
//   g++ -Ofast -march=native -mprefer-vector-width=512 -std=c++17 -I HNSWLIB -I USEARCH/include headers.cpp -o headers -pthread
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hnswlib/hnswlib.h"
#include "usearch/index_dense.hpp"

struct Rows {
    uint32_t rows = 0, dim = 0;
    std::vector<float> values;
    const float *row(size_t at) const { return values.data() + at * dim; }
};

Rows read(const char *path, bool normalise) {
    Rows out;
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char *>(&out), 8);
    out.values.resize(size_t(out.rows) * out.dim);
    file.read(reinterpret_cast<char *>(out.values.data()), out.values.size() * 4);
    for (size_t at = 0; normalise && at < out.rows; ++at) {
        float *row = out.values.data() + at * out.dim, sum = 0;
        for (uint32_t i = 0; i < out.dim; ++i) sum += row[i] * row[i];
        for (uint32_t i = 0; i < out.dim; ++i) row[i] /= std::sqrt(sum);
    }
    return out;
}

struct Index {
    std::vector<char> admitted;
    virtual ~Index() = default;
    virtual void search(const float *query, size_t k, size_t ef, uint32_t *ids) = 0;
};

template <typename F> void parallel(size_t rows, F add) {
    std::vector<std::thread> threads;
    for (size_t thread = 0; thread < 2; ++thread)
        threads.emplace_back([=] { for (size_t at = thread; at < rows; at += 2) add(at, thread); });
    for (auto &thread : threads) thread.join();
}

struct Hnswlib : Index, hnswlib::BaseFilterFunctor {
    hnswlib::L2Space space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> index;

    Hnswlib(const Rows &base, size_t m, size_t ef, const std::string &path) : space(base.dim) {
        if (std::ifstream(path).good()) {
            index = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space, path);
            return;
        }
        index = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space, base.rows, m, ef);
        parallel(base.rows, [&](size_t at, size_t) { index->addPoint(base.row(at), at); });
        index->saveIndex(path);
    }
    bool operator()(hnswlib::labeltype id) override { return admitted[id]; }
    void search(const float *query, size_t k, size_t ef, uint32_t *ids) override {
        index->setEf(ef);
        for (auto found = index->searchKnn(query, k, this); !found.empty(); found.pop())
            *ids++ = uint32_t(found.top().second);
    }
};

struct Usearch : Index {
    unum::usearch::index_dense_t index;

    Usearch(const Rows &base, size_t m, size_t ef, const std::string &path) {
        using namespace unum::usearch;
        metric_punned_t metric(base.dim, metric_kind_t::l2sq_k, scalar_kind_t::f32_k);
        index_dense_config_t config(m, ef, 64);
        index = index_dense_t::make(metric, config).index;
        if (std::ifstream(path).good()) {
            index.load(path.c_str());
            return;
        }
        index.reserve(index_limits_t(base.rows, 2));
        parallel(base.rows, [&](size_t at, size_t thread) { index.add(at, base.row(at), thread); });
        index.save(path.c_str());
    }
    void search(const float *query, size_t k, size_t ef, uint32_t *ids) override {
        index.change_expansion_search(ef);
        auto admits = [this](std::uint64_t id) { return bool(admitted[id]); };
        auto found = index.filtered_search(query, k, admits, 0);
        for (size_t at = 0; at < found.size(); ++at) *ids++ = uint32_t(found[at].member.key);
    }
};

int main(int, char **args) {
    const size_t k = 10, m = std::stoul(args[5]), construction = std::stoul(args[6]);
    const bool normalise = std::string(args[4]) == "cosine";
    const Rows base = read(args[2], normalise), queries = read(args[3], normalise);
    std::unique_ptr<Index> index;
    if (std::string(args[1]) == "hnswlib")
        index = std::make_unique<Hnswlib>(base, m, construction, args[7]);
    else
        index = std::make_unique<Usearch>(base, m, construction, args[7]);
    std::cout << "ready" << std::endl;
    for (std::string word; std::cin >> word;) {
        std::string path;
        if (word == "filter") {
            std::cin >> path;
            index->admitted.resize(base.rows);
            std::ifstream(path, std::ios::binary).read(index->admitted.data(), base.rows);
        } else {
            size_t ef;
            std::cin >> ef >> path;
            std::vector<uint32_t> ids(queries.rows * k, UINT32_MAX);
            for (size_t at = 0; at < queries.rows; ++at)
                index->search(queries.row(at), k, ef, &ids[at * k]);
            const uint32_t shape[] = {queries.rows, uint32_t(k)};
            std::ofstream file(path, std::ios::binary);
            file.write(reinterpret_cast<const char *>(shape), 8);
            file.write(reinterpret_cast<const char *>(ids.data()), ids.size() * 4);
        }
        std::cout << "ok" << std::endl;
    }
}
