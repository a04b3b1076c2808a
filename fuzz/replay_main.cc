// Runs a fuzzer's entry point over every file of a corpus folder, so that what a fuzzer once found stays found without
// libFuzzer. Usage: NAME_fuzz FOLDER...; a missing folder is an error, since a corpus that nobody reads protects nobody.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
    namespace fs = std::filesystem;
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        if (!fs::is_directory(argv[i])) {
            std::fprintf(stderr, "%s is not a folder; commit a corpus there\n", argv[i]);
            return 1;
        }
        for (const auto& entry : fs::directory_iterator(argv[i])) {
            std::ifstream in(entry.path(), std::ios::binary);
            const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
            ++files;
        }
    }
    if (files == 0) {
        std::fprintf(stderr, "no corpus file was replayed\n");
        return 1;
    }
    std::printf("replayed %zu corpus files\n", files);
    return 0;
}
