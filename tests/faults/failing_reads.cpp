// Makes read() fail now and then for the files below one folder; to be named in LD_PRELOAD.
//
//   FAILING_READS_FOLDER      the folder; other files are read as ever
//   FAILING_READS_SEED        what is drawn follows from it, read by read of a process
//   FAILING_READS_PER_MILLE   of the reads fail with EIO; every fourth of the others is short
//   FAILING_READS_IN_A_ROW    so many reads fail one behind the other, once one does
//   FAILING_READS_LOG         a file that gets a byte for every read that failed

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <atomic>

namespace {

std::atomic<uint64_t> reads{0};
std::atomic<int> left_in_a_row{0};

long setting(const char* name) {
    const char* value = getenv(name);
    return value ? atol(value) : 0;
}

uint64_t drawn(uint64_t number) {  // splitmix64
    uint64_t z = (static_cast<uint64_t>(setting("FAILING_READS_SEED")) << 32) + number;
    z *= 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

bool is_below_folder(int fd) {
    const char* folder = getenv("FAILING_READS_FOLDER");
    if (!folder) return false;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    size_t length = strlen(folder);
    return size > static_cast<ssize_t>(length) && !strncmp(path, folder, length) &&
           path[length] == '/';
}

ssize_t failed() {
    if (const char* name = getenv("FAILING_READS_LOG")) {
        int log = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log >= 0) {
            if (write(log, "x", 1) != 1) abort();
            close(log);
        }
    }
    errno = EIO;
    return -1;
}

}  // namespace

extern "C" ssize_t read(int fd, void* buffer, size_t count) {
    static auto* next = reinterpret_cast<ssize_t (*)(int, void*, size_t)>(dlsym(RTLD_NEXT, "read"));
    if (count && is_below_folder(fd)) {
        uint64_t draw = drawn(reads++);
        if (left_in_a_row > 0) {
            left_in_a_row--;
            return failed();
        }
        if (draw % 1000 < static_cast<uint64_t>(setting("FAILING_READS_PER_MILLE"))) {
            left_in_a_row = static_cast<int>(setting("FAILING_READS_IN_A_ROW")) - 1;
            return failed();
        }
        if (draw >> 32 & 1 && draw >> 33 & 1) count = 1 + (draw >> 34) % count;
    }
    return next(fd, buffer, count);
}
