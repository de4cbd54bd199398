/* Count the characters of UTF-8 text, with full validation, at the speed of the memory that holds the counts.
 *
 * The tables are uint32, in one bytearray that Python owns:
 *
 *     ascii   4 x 128       one copy a position, so that repeats of one character do not wait for each other
 *     two     2048          characters of two bytes, by code point
 *     three   4 x 65536     characters of three bytes, by code point, four copies for the same reason
 *     four    0x110000      characters of four bytes, by code point
 *
 * Most of the work is in words of eight bytes: two ideographs are six bytes, recognised by one mask and one compare. That
 * test does not look for overlong forms (code points below 0x800) and surrogates (0xD800 to 0xDFFF); these land in slots of
 * the three-byte tables where nothing valid can be, and the slots are looked at once after a block. A block with anything
 * invalid is counted back again with the opposite sign, so that it leaves no trace, and Python's own decoder is asked where
 * the fault is.
 *
 * Limited API of Python 3.10, little-endian machines only; charvec/plumbing/counting.py has the same in NumPy for all others.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the counting kernel is for little-endian machines"
#endif

#if defined(_MSC_VER)
#include <intrin.h>
static inline unsigned trailing_zeros(uint64_t word) { unsigned long place; _BitScanForward64(&place, word); return place; }
#define LIKELY(condition) (condition)
#else
static inline unsigned trailing_zeros(uint64_t word) { return (unsigned)__builtin_ctzll(word); }
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#endif

enum { ASCII = 128, TWO = 2048, THREE = 65536, FOUR = 0x110000 };
enum { TABLE_WORDS = 4 * ASCII + TWO + 4 * THREE + FOUR };

typedef struct {
    uint32_t *ascii, *two, *three, *four;
} Tables;

static Tables tables_at(uint32_t *start)
{
    Tables tables;
    tables.ascii = start;
    tables.two = tables.ascii + 4 * ASCII;
    tables.three = tables.two + TWO;
    tables.four = tables.three + 4 * THREE;
    return tables;
}

static inline uint64_t load(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

/* 1110xxxx 10xxxxxx 10xxxxxx, twice, in the lower six bytes of a little-endian word */
#define IS_PAIR(word) (((word) & 0xC0C0F0C0C0F0ULL) == 0x8080E08080E0ULL)
#define IS_THREE(word) (((word) & 0xC0C0F0ULL) == 0x8080E0ULL)
#define INDEX_THREE(word) (((word) & 0x0F) << 12 | ((word) >> 2 & 0xFC0) | ((word) >> 16 & 0x3F))

/* One character, checked byte by byte. Returns its length, 0 when the text ends inside it, -1 when it is invalid. */
static int one_character(const Tables *tables, const unsigned char *at, const unsigned char *end, uint32_t delta)
{
    unsigned lead = at[0];
    Py_ssize_t left = end - at;
    if (lead < 0x80) {
        tables->ascii[lead] += delta;
        return 1;
    }
    if (lead < 0xC2)
        return -1;
    if (lead < 0xE0) {
        if (left < 2)
            return 0;
        if ((at[1] & 0xC0) != 0x80)
            return -1;
        tables->two[(lead & 0x1F) << 6 | (at[1] & 0x3F)] += delta;
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
        if ((at[2] & 0xC0) != 0x80)
            return -1;
        tables->three[(lead & 0x0F) << 12 | (at[1] & 0x3F) << 6 | (at[2] & 0x3F)] += delta;
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
        if ((at[2] & 0xC0) != 0x80)
            return -1;
        if (left < 4)
            return 0;
        if ((at[3] & 0xC0) != 0x80)
            return -1;
        tables->four[(lead & 7) << 18 | (at[1] & 0x3F) << 12 | (at[2] & 0x3F) << 6 | (at[3] & 0x3F)] += delta;
        return 4;
    }
    return -1;
}

/* Count a block that begins at a character. Returns where it stopped: before an invalid character (*invalid is set) or
 * before a character that the block ends inside of. */
static const unsigned char *count(
    const Tables *tables, const unsigned char *at, const unsigned char *end, uint32_t delta, int *invalid)
{
    uint32_t *a0 = tables->ascii, *a1 = a0 + ASCII, *a2 = a1 + ASCII, *a3 = a2 + ASCII;
    uint32_t *t0 = tables->three, *t1 = t0 + THREE, *t2 = t1 + THREE, *t3 = t2 + THREE;
    uint64_t word;
    int length;

    *invalid = 0;
    while (end - at >= 16) { /* two words can be loaded: eight bytes from here, and eight from six bytes on */
        word = load(at);
        if (LIKELY(IS_PAIR(word))) {
            uint64_t next = load(at + 6);
            t0[INDEX_THREE(word)] += delta;
            t1[INDEX_THREE(word >> 24)] += delta;
            if (LIKELY(IS_PAIR(next))) {
                t2[INDEX_THREE(next)] += delta;
                t3[INDEX_THREE(next >> 24)] += delta;
                at += 12;
                continue;
            }
            at += 6;
            word = next;
        }
        uint64_t high = word & 0x8080808080808080ULL;
        if (!high) {
            a0[word & 0xFF] += delta;
            a1[word >> 8 & 0xFF] += delta;
            a2[word >> 16 & 0xFF] += delta;
            a3[word >> 24 & 0xFF] += delta;
            a0[word >> 32 & 0xFF] += delta;
            a1[word >> 40 & 0xFF] += delta;
            a2[word >> 48 & 0xFF] += delta;
            a3[word >> 56] += delta;
            at += 8;
            continue;
        }
        if (!(word & 0x80)) { /* some ASCII, then something else */
            unsigned run = trailing_zeros(high) >> 3;
            at += run;
            do {
                a0[word & 0xFF] += delta;
                word >>= 8;
            } while (--run);
            continue;
        }
        if (LIKELY(IS_THREE(word))) {
            t0[INDEX_THREE(word)] += delta;
            at += 3;
            continue;
        }
        length = one_character(tables, at, end, delta);
        if (length < 0) {
            *invalid = 1;
            return at;
        }
        at += length;
    }
    while (at < end) {
        length = one_character(tables, at, end, delta);
        if (length <= 0) {
            *invalid = length < 0;
            return at;
        }
        at += length;
    }
    return at;
}

/* Whether a slot is in use that only overlong forms and surrogates can reach. */
static int impossible_slots(const Tables *tables)
{
    for (int copy = 0; copy < 4; copy++) {
        const uint32_t *three = tables->three + copy * THREE;
        uint32_t used = 0;
        for (int slot = 0; slot < 0x800; slot++)
            used |= three[slot] | three[0xD800 + slot];
        if (used)
            return 1;
    }
    return 0;
}

static PyObject *kernel_count(PyObject *module, PyObject *args)
{
    PyObject *array;
    const char *data;
    Py_ssize_t size;
    int invalid, ignored;
    const unsigned char *start, *stop;
    Tables tables;

    (void)module;
    if (!PyArg_ParseTuple(args, "O!y#:count", &PyByteArray_Type, &array, &data, &size))
        return NULL;
    if (PyByteArray_Size(array) != (Py_ssize_t)TABLE_WORDS * 4) {
        PyErr_SetString(PyExc_ValueError, "the bytearray of tables has the wrong size");
        return NULL;
    }
    tables = tables_at((uint32_t *)PyByteArray_AsString(array));
    start = (const unsigned char *)data;
    /* The caller keeps table and data to itself meanwhile: one table for each thread. */
    Py_BEGIN_ALLOW_THREADS
    stop = count(&tables, start, start + size, 1, &invalid);
    if (impossible_slots(&tables))
        invalid = 1;
    if (invalid) /* the same block again: it takes the same path and stops at the same place */
        count(&tables, start, start + size, (uint32_t)-1, &ignored);
    Py_END_ALLOW_THREADS
    return PyLong_FromSsize_t(invalid ? -1 : (Py_ssize_t)(stop - start));
}

static PyMethodDef methods[] = {
    {"count", kernel_count, METH_VARARGS,
     "count(tables: bytearray, data: bytes) -> int\n\n"
     "Count a block of UTF-8 that begins at a character boundary. Returns the number of bytes counted, which leaves out a\n"
     "character cut short at the end; or -1 when anything in the block is invalid, and then nothing was counted."},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module)
{
    return PyModule_AddIntConstant(module, "TABLE_WORDS", TABLE_WORDS);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "charvec._kernel", "Counting kernel; see charvec.plumbing.counting.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
