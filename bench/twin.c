/* The kernel's loop without Python: what charvec/_kernel.c can reach at best where this is compiled.
 *
 *     cc -O3 -o twin bench/twin.c && ./twin FILE
 *
 * The loop and its tables are the kernel's own source; around it, a file is read in blocks of the same size as charvec's into
 * one buffer that is used again. The time, and sums over the counts, are printed as scan_kernel.py prints them.
 */

#define CHARVEC_WITHOUT_PYTHON
#include "../charvec/_kernel.c"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1 << 18 };

static double milliseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Add the tables to one of 64 bits for each code point and clear them: long before any count could overflow. */
static void carry(uint32_t *table, uint64_t *counts)
{
    for (int word = 0; word < AT_TWO; word++)
        counts[word % ASCII] += table[word];
    for (int word = AT_TWO; word < AT_THREE; word++)
        counts[word - AT_TWO] += table[word];
    for (int word = AT_THREE; word < AT_FOUR; word++)
        counts[(word - AT_THREE) % THREE] += table[word];
    for (int word = AT_FOUR; word < TABLE_WORDS; word++)
        counts[word - AT_FOUR] += table[word];
    memset(table, 0, TABLE_WORDS * sizeof *table);
}

int main(int count_of_arguments, char **arguments)
{
    static unsigned char buffer[BLOCK];
    static uint32_t table[TABLE_WORDS];
    static uint64_t counts[FOUR];
    uint64_t uncarried = 0, characters = 0, distinct = 0, checksum = 0;
    ptrdiff_t have = 0;
    ssize_t got = -1;
    double wall = milliseconds(CLOCK_MONOTONIC), cpu = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
    int file = count_of_arguments == 2 ? open(arguments[1], O_RDONLY) : -1;

    while (file >= 0 && (got = read(file, buffer + have, (size_t)(BLOCK - have))) > 0) {
        have += got;
        ptrdiff_t counted = count_block(table, TABLE_WORDS, buffer, have);
        if (counted < 0) {
            fprintf(stderr, "not UTF-8\n");
            return 1;
        }
        have -= counted; /* the beginning of a character */
        memmove(buffer, buffer + counted, (size_t)have);
        uncarried += (uint64_t)counted;
        if (uncarried >> 31) {
            carry(table, counts);
            uncarried = 0;
        }
    }
    carry(table, counts);
    wall = milliseconds(CLOCK_MONOTONIC) - wall;
    cpu = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (got < 0 || have) {
        fprintf(stderr, "usage: twin FILE, which is UTF-8\n");
        return 1;
    }
    for (uint64_t code = 0; code < FOUR; code++) {
        characters += counts[code];
        distinct += counts[code] > 0;
        checksum += code * counts[code];
    }
    printf("{\"wall_ms\": %.3f, \"cpu_ms\": %.3f, \"characters\": %llu, \"distinct\": %llu, \"checksum\": %llu}\n", wall, cpu,
        (unsigned long long)characters, (unsigned long long)distinct, (unsigned long long)checksum);
    return 0;
}
