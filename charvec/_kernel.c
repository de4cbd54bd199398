/* Count the characters of UTF-8 text, with full validation, at a few gigabytes a second.
 *
 * The tables are uint32, in one bytearray that Python owns:
 *
 *     ascii   4 x 128       several copies, so that repeats of one character need not wait for each other
 *     two     2048          characters of two bytes, by code point
 *     three   3 x 65536     characters of three bytes, by code point, in the first copy. During a call, the second one counts
 *                           pairs of ASCII characters and the third one characters of two bytes in another order; both hold
 *                           zeros between calls
 *     four    0x110000      characters of four bytes, by code point
 *
 * Most texts have no character of four bytes, and to clear and add up 4 MB takes as long as counting 10 MB of text. So the last
 * table may be missing; then a character of four bytes is as good as invalid, and the caller tries again with it.
 *
 * Guesses cost more than increments. Where ideographs, spaces and tags alternate, a processor cannot foresee how long the next
 * character is, and a wrong guess takes the time of several characters. So the loop for such text does not branch on the
 * length: what the first byte of a character says, its length and how its slot is found, is looked up. Alone that would be
 * slow, because no character can begin before the length of the one before it is known; therefore the text is walked at seven
 * places by turns. Text that is nearly all ASCII goes through another loop, eight bytes at a time, two of which are counted
 * together.
 *
 * Validation is nearly free:
 *
 *   - A byte that cannot begin a character counts in a slot where nothing valid can be, and so do the overlong forms
 *     (code points below 0x800) and the surrogates (0xD800 to 0xDFFF) of three bytes. These slots are looked at after a block.
 *   - The bytes behind a first byte are not looked at one by one. Every step began at a byte that is no continuation byte,
 *     else see above; so if there were as many steps as there are bytes that are none, all others are continuation bytes.
 *
 * A block with anything invalid is counted back again with the opposite sign, so that it leaves no trace, and Python's own
 * decoder is asked where the fault is.
 *
 * Limited API of Python 3.10, little-endian machines only; charvec/plumbing/text/counting.py has the same in NumPy for all others.
 * bench/twin.c includes this file without the part for Python.
 */

#ifndef CHARVEC_WITHOUT_PYTHON
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the counting kernel is for little-endian machines"
#endif

#if defined(_MSC_VER)
#define UNLIKELY(condition) (condition)
#define INLINED static __forceinline
#else
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define INLINED static inline __attribute__((always_inline))
#endif

enum { ASCII = 128, TWO = 2048, THREE = 65536, FOUR = 0x110000 };
/* where the tables begin, and all words of them */
enum { AT_TWO = 4 * ASCII, AT_THREE = AT_TWO + TWO, AT_FOUR = AT_THREE + 3 * THREE, TABLE_WORDS = AT_FOUR + FOUR };
/* U+0000 in three bytes: what is counted here is invalid */
enum { AT_INVALID = AT_THREE };
/* pairs of ASCII characters, the second one in the upper byte; two copies */
enum { PAIRS = 1 << 15, AT_PAIRS = AT_THREE + THREE };
/* characters of two bytes: 64 for the low bits of the second byte x 64 for those of the first one, of which 32 are used */
enum { AT_TURNED = AT_THREE + 2 * THREE };
/* During a call, the end of the code points for which there are slots; behind the characters of two bytes. Who needs it, for
 * four bytes, finds it here, since the loop has no register left. */
enum { AT_TOP = AT_TURNED + 64 * 64 };

/* Seven pointers and what a step needs fit into the registers of any 64-bit processor; more streams are not faster. */
enum { STREAMS = 7 };
/* Bytes for which one of the two loops is chosen. */
enum { PIECE = 1 << 18 };
/* Fewer bytes are not worth the preparations for the streams, or those for pairs. */
enum { SMALL = 1 << 12, SMALL_ASCII = 1 << 16 };

static inline uint64_t load8(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline uint32_t load4(const unsigned char *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

static inline int is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

/* One character, checked byte by byte. Returns its length, 0 when the text ends inside it, -1 when it is invalid. */
static int one_character(uint32_t *table, const unsigned char *at, const unsigned char *end, uint32_t delta)
{
    unsigned lead = at[0];
    ptrdiff_t left = end - at;
    if (lead < 0x80) {
        table[lead] += delta;
        return 1;
    }
    if (lead < 0xC2)
        return -1;
    if (lead < 0xE0) {
        if (left < 2)
            return 0;
        if (!is_continuation(at[1]))
            return -1;
        table[AT_TWO + ((lead & 0x1F) << 6 | (at[1] & 0x3F))] += delta;
        return 2;
    }
    if (lead < 0xF0) {
        unsigned low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
        if (left < 2)
            return 0;
        if (at[1] < low || at[1] > high) /* CPython waits for the third byte of a surrogate, and so do we */
            return lead == 0xED && left == 2 && at[1] >= 0xA0 && at[1] <= 0xBF ? 0 : -1;
        if (left < 3)
            return 0;
        if (!is_continuation(at[2]))
            return -1;
        table[AT_THREE + ((lead & 0x0F) << 12 | (at[1] & 0x3F) << 6 | (at[2] & 0x3F))] += delta;
        return 3;
    }
    if (lead < 0xF5) {
        unsigned low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
        if (left < 2)
            return 0;
        if (at[1] < low || at[1] > high)
            return -1;
        if (left < 3)
            return 0;
        if (!is_continuation(at[2]))
            return -1;
        if (left < 4)
            return 0;
        if (!is_continuation(at[3]) || table[AT_TOP] < FOUR)
            return -1;
        table[AT_FOUR + ((lead & 7) << 18 | (at[1] & 0x3F) << 12 | (at[2] & 0x3F) << 6 | (at[3] & 0x3F))] += delta;
        return 4;
    }
    return -1;
}

/* Count eight ASCII characters, by themselves or in pairs. */
INLINED void add_eight(uint32_t *table, const unsigned char *at, uint32_t delta, int in_pairs)
{
    if (in_pairs) {
        uint64_t word = load8(at);
        uint32_t *p0 = table + AT_PAIRS, *p1 = p0 + PAIRS;
        p0[word & 0xFFFF] += delta;
        p1[word >> 16 & 0xFFFF] += delta;
        p0[word >> 32 & 0xFFFF] += delta;
        p1[word >> 48] += delta;
    } else {
        uint32_t *a0 = table, *a1 = a0 + ASCII, *a2 = a1 + ASCII, *a3 = a2 + ASCII;
        a0[at[0]] += delta;
        a1[at[1]] += delta;
        a2[at[2]] += delta;
        a3[at[3]] += delta;
        a0[at[4]] += delta;
        a1[at[5]] += delta;
        a2[at[6]] += delta;
        a3[at[7]] += delta;
    }
}

/* Count each character of the pairs, and clear them. */
static void unpair(uint32_t *table)
{
    uint32_t first[ASCII] = {0};
    for (int second = 0; second < ASCII; second++) {
        uint32_t *p0 = table + AT_PAIRS + 256 * second, *p1 = p0 + PAIRS, sum = 0;
        for (int each = 0; each < ASCII; each++) {
            uint32_t number = p0[each] + p1[each];
            first[each] += number;
            sum += number;
        }
        memset(p0, 0, ASCII * sizeof *p0);
        memset(p1, 0, ASCII * sizeof *p1);
        table[second] += sum;
    }
    for (int each = 0; each < ASCII; each++)
        table[each] += first[each];
}

/* Count character by character, and ASCII eight bytes at a time. Returns where it stopped: at the end, before a character
 * that the text ends inside of, or before an invalid one (*invalid is set). */
INLINED const unsigned char *walk_with(
    uint32_t *table, const unsigned char *at, const unsigned char *end, uint32_t delta, int *invalid, int in_pairs)
{
    while (at < end) {
        int length;
        if (end - at >= 8 && !(load8(at) & 0x8080808080808080ULL)) {
            add_eight(table, at, delta, in_pairs);
            at += 8;
            continue;
        }
        do {
            length = one_character(table, at, end, delta);
            if (length <= 0) {
                *invalid = length < 0;
                return at;
            }
            at += length;
        } while (length == 1 && at < end); /* one that is not ASCII is why there were no eight */
    }
    return at;
}

static const unsigned char *walk(
    uint32_t *table, const unsigned char *at, const unsigned char *end, uint32_t delta, int *invalid)
{
    return walk_with(table, at, end, delta, invalid, 0);
}

static const unsigned char *walk_in_pairs(
    uint32_t *table, const unsigned char *at, const unsigned char *end, uint32_t delta, int *invalid)
{
    return walk_with(table, at, end, delta, invalid, 1);
}

/* How many bytes are continuation bytes. Compilers turn the inner loop into a few instructions. */
static ptrdiff_t count_continuations(const unsigned char *at, const unsigned char *end)
{
    enum { LANES = 64 };
    ptrdiff_t found = 0;
    while (end - at >= LANES) {
        unsigned char sums[LANES] = {0};
        ptrdiff_t rows = (end - at) / LANES;
        if (rows > 255) /* so that no sum overflows */
            rows = 255;
        for (ptrdiff_t row = 0; row < rows; row++, at += LANES)
            for (int lane = 0; lane < LANES; lane++)
                sums[lane] += (signed char)at[lane] < -64;
        for (int lane = 0; lane < LANES; lane++)
            found += sums[lane];
    }
    for (; at < end; at++)
        found += is_continuation(*at);
    return found;
}

/* What the first byte of a character says. The slot of the character is
 *
 *     slot[lead] + ((word & mask[lead]) * SIDE_BY_SIDE >> 20)
 *
 * where word is the character's first four bytes: the mask leaves the low six bits of the second and of the third byte, and the
 * factor brings them side by side to the top of the product, those of the second byte first. Of a character of two bytes, they
 * come to the same place, with zeros behind; its table is turned for that. The lowest byte of the mask is the length of the
 * character; what it lets through of the first byte stays below bit 20. Every load in a step counts: a factor for each first
 * byte instead would make the loop slower by 7 %, one structure instead of two arrays by 8 %. */
typedef struct {
    uint32_t mask[256], slot[256];
} Leads;

#define SIDE_BY_SIDE (1U << 18 | 1U << 4)

static void make_leads(Leads *leads)
{
    for (uint32_t lead = 0; lead < 256; lead++) {
        uint32_t mask = 1, slot = AT_INVALID;
        if (lead < 0x80) {
            slot = lead;
        } else if (lead >= 0xC2 && lead < 0xE0) {
            mask = 0x3F00 | 2;
            slot = AT_TURNED + (lead & 0x1F);
        } else if (lead >= 0xE0 && lead < 0xF0) {
            mask = 0x3F3F00 | 3;
            slot = AT_THREE + ((lead & 0x0F) << 12);
        }
        leads->mask[lead] = mask;
        leads->slot[lead] = slot;
    }
}

/* Count the turned table into that of two bytes, and clear it. */
static void turn_back(uint32_t *table)
{
    uint32_t *turned = table + AT_TURNED, *two = table + AT_TWO, used = 0;
    for (int slot = 0; slot < 64 * 64; slot++)
        used |= turned[slot];
    if (!used) /* as in most Chinese text */
        return;
    for (int second = 0; second < 64; second++)
        for (int first = 0; first < 32; first++)
            two[first << 6 | second] += turned[second << 6 | first];
    memset(turned, 0, 64 * 64 * sizeof *turned);
}

/* The slot of a character of four bytes, checked. */
static inline uint32_t slot_of_four(const uint32_t *table, uint32_t word)
{
    uint32_t code = (word & 7) << 18 | (word << 4 & 0x3F000) | (word >> 10 & 0xFC0) | (word >> 24 & 0x3F);
    int valid = (word & 0xC0C0C0F8) == 0x808080F0 && code >= 0x10000 && code < table[AT_TOP];
    return valid ? AT_FOUR + code : AT_INVALID;
}

/* Count one character, or something invalid; returns where the next one begins, one to four bytes on. */
INLINED const unsigned char *step(uint32_t *table, const Leads *leads, const unsigned char *at, uint32_t delta)
{
    uint32_t word = load4(at), lead = *at, mask = leads->mask[lead];
    if (UNLIKELY(lead >= 0xF0)) {
        table[slot_of_four(table, word)] += delta;
        return at + 4;
    }
    table[leads->slot[lead] + ((word & mask) * SIDE_BY_SIDE >> 20)] += delta;
    return at + (mask & 0xFF);
}

/* Count in streams. Returns what walk returns; the place of something invalid is not exact, and the slots of invalid
 * characters are still to be looked at. */
INLINED const unsigned char *walk_streams(uint32_t *table, const Leads *leads, const unsigned char *at,
    const unsigned char *end, ptrdiff_t continuations, uint32_t delta, int *invalid)
{
    const unsigned char *next[STREAMS], *stop[STREAMS];
    ptrdiff_t bytes = end - at, part = bytes / STREAMS, characters = 0;

    for (int each = 0; each < STREAMS; each++) {
        next[each] = at + each * part;
        for (int back = 0; each && back < 3 && is_continuation(*next[each]); back++)
            next[each]--;
        if (each)
            stop[each - 1] = next[each];
    }
    stop[STREAMS - 1] = end;

    for (;;) {
        /* as many steps as none of the streams can reach its end with; what they leave is walked again in the same way */
        ptrdiff_t steps = part;
        for (int each = 0; each < STREAMS; each++)
            if ((stop[each] - next[each]) / 4 < steps)
                steps = (stop[each] - next[each]) / 4;
        if (steps < 8)
            break;
        const unsigned char *s0 = next[0], *s1 = next[1], *s2 = next[2], *s3 = next[3], *s4 = next[4], *s5 = next[5],
                            *s6 = next[6];
        characters += STREAMS * steps;
        do {
            s0 = step(table, leads, s0, delta);
            s1 = step(table, leads, s1, delta);
            s2 = step(table, leads, s2, delta);
            s3 = step(table, leads, s3, delta);
            s4 = step(table, leads, s4, delta);
            s5 = step(table, leads, s5, delta);
            s6 = step(table, leads, s6, delta);
        } while (--steps);
        next[0] = s0, next[1] = s1, next[2] = s2, next[3] = s3, next[4] = s4, next[5] = s5, next[6] = s6;
    }

    for (int each = 0; each < STREAMS; each++) { /* the rests are checked by walk */
        bytes -= stop[each] - next[each];
        continuations -= count_continuations(next[each], stop[each]);
        at = walk(table, next[each], stop[each], delta, invalid);
        if (*invalid)
            return at;
        if (at != stop[each] && each < STREAMS - 1) { /* a character cut short by one that begins */
            *invalid = 1;
            return at;
        }
    }
    *invalid = characters + continuations != bytes;
    return at;
}

/* Count a block that begins at a character; returns what walk_streams returns. What is done depends on the bytes alone, so
 * that the same call with -delta undoes it. */
INLINED const unsigned char *count_pieces(
    uint32_t *table, const Leads *leads, const unsigned char *at, const unsigned char *end, uint32_t delta, int *invalid)
{
    *invalid = 0;
    while (at < end) {
        const unsigned char *start = at, *stop = end - at > PIECE ? at + PIECE : end;
        ptrdiff_t bytes = stop - at, continuations = bytes < SMALL ? 0 : count_continuations(at, stop);
        if (continuations * 24 >= bytes && bytes >= SMALL) { /* from about one character beyond ASCII in thirty on */
            at = walk_streams(table, leads, at, stop, continuations, delta, invalid);
            turn_back(table);
        } else if (bytes >= SMALL_ASCII) {
            at = walk_in_pairs(table, at, stop, delta, invalid);
            unpair(table);
        } else {
            at = walk(table, at, stop, delta, invalid);
        }
        if (*invalid || at == start)
            break;
    }
    return at;
}

/* Two functions, so that the sign is a constant in either. */
static const unsigned char *count(
    uint32_t *table, const Leads *leads, const unsigned char *at, const unsigned char *end, int *invalid)
{
    return count_pieces(table, leads, at, end, 1, invalid);
}

static void count_back(uint32_t *table, const Leads *leads, const unsigned char *at, const unsigned char *end)
{
    int ignored;
    count_pieces(table, leads, at, end, (uint32_t)-1, &ignored);
}

/* Whether a slot is in use that only invalid bytes can reach. */
static int impossible_slots(const uint32_t *table)
{
    const uint32_t *three = table + AT_THREE;
    uint32_t used = 0;
    for (int slot = 0; slot < 0x800; slot++)
        used |= three[slot] | three[0xD800 + slot];
    return used != 0;
}

/* Count a block of UTF-8 that begins at a character. Returns the number of bytes counted, which leaves out a character cut
 * short at the end; or -1 when anything in it is invalid, and then nothing was counted. `words` is AT_FOUR or TABLE_WORDS. */
static ptrdiff_t count_block(uint32_t *table, ptrdiff_t words, const unsigned char *start, ptrdiff_t size)
{
    const unsigned char *end = start + size, *stop;
    Leads leads;
    int invalid, streams = size >= SMALL;

    if (streams)
        make_leads(&leads);
    table[AT_TOP] = words == TABLE_WORDS ? FOUR : 0;
    stop = count(table, &leads, start, end, &invalid);
    if (invalid || (streams && impossible_slots(table))) {
        count_back(table, &leads, start, end);
        stop = start - 1;
    }
    table[AT_TOP] = 0;
    return stop - start;
}

#ifndef CHARVEC_WITHOUT_PYTHON

static PyObject *kernel_count(PyObject *module, PyObject *args)
{
    PyObject *array;
    const char *data;
    Py_ssize_t size;
    ptrdiff_t counted, words;
    uint32_t *table;

    (void)module;
    if (!PyArg_ParseTuple(args, "O!y#:count", &PyByteArray_Type, &array, &data, &size))
        return NULL;
    words = PyByteArray_Size(array) / 4;
    if (PyByteArray_Size(array) % 4 || (words != AT_FOUR && words != TABLE_WORDS)) {
        PyErr_SetString(PyExc_ValueError, "the bytearray of tables has the wrong size");
        return NULL;
    }
    table = (uint32_t *)PyByteArray_AsString(array);
    /* The caller keeps table and data to itself meanwhile: one table for each thread. */
    Py_BEGIN_ALLOW_THREADS
    counted = count_block(table, words, (const unsigned char *)data, size);
    Py_END_ALLOW_THREADS
    return PyLong_FromSsize_t(counted);
}

static PyMethodDef methods[] = {
    {"count", kernel_count, METH_VARARGS,
     "count(tables: bytearray, data: bytes) -> int\n\n"
     "Count a block of UTF-8 that begins at a character boundary. Returns the number of bytes counted, which leaves out a\n"
     "character cut short at the end; or -1 when anything in the block is invalid, and then nothing was counted.\n"
     "With tables of SMALL_WORDS words of four bytes, and not ALL_WORDS, characters of four bytes are invalid."},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "SMALL_WORDS", AT_FOUR) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "ALL_WORDS", TABLE_WORDS);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "charvec._kernel", "Counting kernel; see charvec.plumbing.text.counting.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }

#endif
