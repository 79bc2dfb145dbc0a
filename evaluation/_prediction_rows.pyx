# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Parser of plain prediction files. data/annotations/formats/prediction_text.py parses all others and reports their errors.

A plain file has lines that end in "\\n" or "\\r\\n": a title in UTF-8, then a count and rows that begin with five
decimal numbers, in ASCII without control characters. Each file is a bytes object, which ends with a NUL: no line,
blank or number extends beyond it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.math cimport fabs

cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow_exception) except? -1

# As data.annotations.LARGEST.
cdef double LARGEST = 1e9
# The powers of ten that a double holds exactly.
cdef double[23] POWERS = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]


def read_plain(list contents, double[:, ::1] rows, long long[::1] counts):
    """Parse the plain files; their numbers equal those of Python's float() to the bit.

    Args:
        contents: F bytes objects.
        rows: (R, 5), output without gaps: x1 y1 x2 y2 score. R is at least the number of all newlines.
        counts: (F,), output: the number of rows of each file, -1 for a file that is not plain and has none in `rows`.
    """
    cdef Py_ssize_t file, used = 0
    cdef bytes content
    cdef const char* start

    for file in range(len(contents)):
        content = contents[file]
        start = PyBytes_AS_STRING(content)
        counts[file] = _read_file(start, start + PyBytes_GET_SIZE(content), &rows[0, 0] + 5 * used)
        if counts[file] > 0:
            used += counts[file]


cdef Py_ssize_t _read_file(const char* p, const char* end, double* row) except -2:
    """Write the rows of a file to `row` and return their number, -1 if the file is not plain."""
    cdef Py_ssize_t found = 0, column
    cdef long long expected = 0
    cdef const char* start = p

    while p[0] != c"\n" and p[0] != c"\r" and p[0] != c"\0":
        p += 1
    try:
        start[:p - start].decode("utf-8")
    except UnicodeDecodeError:
        return -1
    p = _next_line(p, end)
    if p == NULL:
        return -1

    p = _skip_blanks(p)
    start = p
    while c"0" <= p[0] <= c"9":
        expected = 10 * expected + (p[0] - c"0")
        p += 1
    if not 0 < p - start <= 18:  # digits that 64 bits hold
        return -1
    p = _next_line(_skip_blanks(p), end)

    while p != NULL and p != end:
        p = _skip_blanks(p)
        if p[0] != c"\n" and p[0] != c"\r" and p != end:
            for column in range(5):
                p = _read_number(_skip_blanks(p), row + column)
                if p == NULL or not (_is_blank(p[0]) or p[0] == c"\n" or p[0] == c"\r" or p == end):
                    return -1
            if row[2] < 0 or row[3] < 0:
                return -1
            row[2] += row[0]
            row[3] += row[1]
            for column in range(5):
                if not fabs(row[column]) <= LARGEST:
                    return -1
            row += 5
            found += 1
        p = _next_line(_skip_text(p), end)
    return found if p == end and found == expected else -1


cdef inline bint _is_blank(char c) noexcept:
    return c == c" " or c == c"\t"


cdef inline const char* _skip_blanks(const char* p) noexcept:
    while _is_blank(p[0]):
        p += 1
    return p


cdef inline const char* _skip_text(const char* p) noexcept:
    while c" " <= p[0] <= c"~" or p[0] == c"\t":
        p += 1
    return p


cdef inline const char* _next_line(const char* p, const char* end) noexcept:
    """Return the start of the next line, or the end of the file; NULL if p is at neither."""
    if p[0] == c"\n":
        return p + 1
    if p[0] == c"\r" and p[1] == c"\n":
        return p + 2
    return p if p == end else NULL


cdef const char* _read_number(const char* p, double* value) except? NULL:
    """Read [+-]digits[.digits][e[+-]digits] and return its end; NULL if there is no number.

    Up to 2^53 a mantissa is exact in a double, and so are the powers of ten up to 22: one operation on both rounds
    correctly (Clinger, How to read floating point numbers accurately, PLDI 1990). Python reads the other numbers.
    """
    cdef const char* start = p
    cdef const char* mark
    cdef char* stop
    cdef unsigned long long mantissa = 0
    cdef Py_ssize_t digits, exponent = 0, written = 0
    cdef bint negative

    if p[0] == c"+" or p[0] == c"-":
        p += 1
    mark = p
    while c"0" <= p[0] <= c"9":
        mantissa = 10 * mantissa + <unsigned long long>(p[0] - c"0")
        p += 1
    digits = p - mark
    if p[0] == c".":
        p += 1
        mark = p
        while c"0" <= p[0] <= c"9":
            mantissa = 10 * mantissa + <unsigned long long>(p[0] - c"0")
            p += 1
        exponent = mark - p
        digits -= exponent
    if digits == 0:
        return NULL
    if p[0] == c"e" or p[0] == c"E":
        p += 1
        negative = p[0] == c"-"
        if p[0] == c"+" or p[0] == c"-":
            p += 1
        mark = p
        while c"0" <= p[0] <= c"9":
            written = min(10 * written + (p[0] - c"0"), 1000)
            p += 1
        if p == mark:
            return NULL
        exponent += -written if negative else written

    # 19 digits are what 64 bits hold: a longer mantissa may have wrapped.
    if digits <= 19 and mantissa <= 1ULL << 53 and -22 <= exponent <= 22:
        value[0] = <double>mantissa
        if exponent < 0:
            value[0] /= POWERS[-exponent]
        else:
            value[0] *= POWERS[exponent]
        if start[0] == c"-":
            value[0] = -value[0]
    else:
        value[0] = PyOS_string_to_double(start, &stop, NULL)
        if stop != p:
            return NULL
    return p
