# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The loops over pixels that OpenCV leaves scalar: `resample`, and a table for one channel. No GIL.

An image is resampled by rows first and by columns then. Each row of the image becomes floats once, in a ring of as
many rows as an output row needs; their weighted sum is one row of floats, and weighted sums of its pixels, three floats
each, are a row of the result. So all that is read again and again stays in the processor's cache, and the loops below
run over neighbouring floats, which compilers turn into vector instructions: four taps at a time, and four floats for
the three of a pixel, the last of which the next pixel overwrites.
"""

import numpy as np

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    /* The same sums to the bit, in twice as wide registers where the processor that runs this has them. */
    #define WIDEST __attribute__((target_clones("avx2", "default")))
    #else
    #define WIDEST
    #endif

    WIDEST static void widen(const unsigned char *bytes, Py_ssize_t count, float *__restrict floats) {
        for (Py_ssize_t i = 0; i < count; i++)
            floats[i] = bytes[i];
    }

    /* sum (+)= the four rows a, b, c, d, each times its weight */
    WIDEST static void add_rows(const float *a, const float *b, const float *c, const float *d, const float *weights,
                                Py_ssize_t count, int first, float *__restrict sum) {
        const float p = weights[0], q = weights[1], r = weights[2], s = weights[3];
        if (first)
            for (Py_ssize_t i = 0; i < count; i++)
                sum[i] = (p * a[i] + q * b[i]) + (r * c[i] + s * d[i]);
        else
            for (Py_ssize_t i = 0; i < count; i++)
                sum[i] += (p * a[i] + q * b[i]) + (r * c[i] + s * d[i]);
    }

    /* Writes one float beyond the last pixel, and reads one beyond the last of the row. */
    WIDEST static void add_columns(const float *__restrict row, const int *__restrict starts,
                                   const float *__restrict w, Py_ssize_t taps, Py_ssize_t width, float *__restrict sum) {
        for (Py_ssize_t x = 0; x < width; x++, sum += 3) {
            const float *p = row + 3 * (Py_ssize_t)starts[x];
            for (int c = 0; c < 4; c++)
                sum[c] = (w[0] * p[c] + w[1] * p[3 + c]) + (w[2] * p[6 + c] + w[3] * p[9 + c]);
            w += 4;
            for (Py_ssize_t k = 4; k < taps; k += 4, w += 4) {
                p += 12;
                for (int c = 0; c < 4; c++)
                    sum[c] += (w[0] * p[c] + w[1] * p[3 + c]) + (w[2] * p[6 + c] + w[3] * p[9 + c]);
            }
        }
    }

    /* Adding 1.5 * 2^23 leaves no bits for a fraction: it rounds to nearest, halves to even, as OpenCV does. */
    WIDEST static void narrow(const float *floats, Py_ssize_t count, unsigned char *__restrict bytes) {
        for (Py_ssize_t i = 0; i < count; i++) {
            int value = (int)(floats[i] + 12582912.0f) - 12582912;
            value = value > 0 ? value : 0;
            bytes[i] = (unsigned char)(value < 255 ? value : 255);
        }
    }
    """
    void widen(const unsigned char*, Py_ssize_t, float*) nogil
    void add_rows(
        const float*, const float*, const float*, const float*, const float*, Py_ssize_t, bint, float*
    ) nogil
    void add_columns(const float*, const int*, const float*, Py_ssize_t, Py_ssize_t, float*) nogil
    void narrow(const float*, Py_ssize_t, unsigned char*) nogil


def resample(
    const unsigned char[:, :, :] image,
    const int[::1] row_starts,
    const float[:, ::1] row_weights,
    const int[::1] column_starts,
    const float[:, ::1] column_weights,
):
    """Return (h, w, 3) uint8: weighted sums of windows of an image's pixels, rounded and cut to a byte.

    Args:
        image: (H, W, 3), with any distance between rows, but the values of a row side by side.
        row_starts: (h,), ascending, the first row of each window.
        row_weights: (h, T), T a multiple of four; rows and columns beyond the image's count as zero.
        column_starts, column_weights: (w,) and (w, U) likewise.
    """
    cdef Py_ssize_t rows = row_weights.shape[1], columns = column_weights.shape[1], width = column_weights.shape[0]
    cdef Py_ssize_t count = 3 * image.shape[1], y, k, first, widened = 0
    cdef float[:, ::1] ring = np.zeros((rows, count), np.float32)
    cdef float[::1] row = np.zeros(max(count, 3 * columns) + 1, np.float32)
    cdef float[::1] sums = np.empty(3 * width + 1, np.float32)
    cdef unsigned char[:, :, ::1] result = np.empty((row_weights.shape[0], width, 3), np.uint8)

    with nogil:
        for y in range(result.shape[0]):
            first = row_starts[y]
            widened = max(widened, first)
            while widened < min(first + rows, image.shape[0]):
                widen(&image[widened, 0, 0], count, &ring[widened % rows, 0])
                widened += 1
            for k in range(0, rows, 4):
                add_rows(
                    &ring[(first + k) % rows, 0],
                    &ring[(first + k + 1) % rows, 0],
                    &ring[(first + k + 2) % rows, 0],
                    &ring[(first + k + 3) % rows, 0],
                    &row_weights[y, k],
                    count,
                    k == 0,
                    &row[0],
                )
            add_columns(&row[0], &column_starts[0], &column_weights[0, 0], columns, width, &sums[0])
            narrow(&sums[0], 3 * width, &result[y, 0, 0])
    return result.base


def look_up(unsigned char[:, :] channel, const unsigned char[::1] table):
    """Replace every value of an (H, W) channel, which may lie among others, by table[value], (256,)."""
    cdef Py_ssize_t y, x

    with nogil:
        for y in range(channel.shape[0]):
            for x in range(channel.shape[1]):
                channel[y, x] = table[channel[y, x]]
