/*
 * What plugbay_json.h and plugbay_cbor.h share: errors with a text, bytes that grow, and UTF-8.
 *
 * Nothing here is needed by the ABI, and nothing but the C library is needed here. The header is
 * C99 and C++11; all functions are `static inline`. No function reads outside the bytes that it is
 * given.
 */

#ifndef PLUGBAY_OUTPUT_H
#define PLUGBAY_OUTPUT_H

#include "plugbay.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/**
 * The levels of arrays, maps and tags that a document may have, as everywhere in Plugbay.
 */
#define PLUGBAY_MAX_DEPTH 128

/** Whether the bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
static inline bool plugbay_is_utf8(plugbay_bytes text) {
  size_t at = 0;
  while (at < text.len) {
    uint8_t first = text.ptr[at++];
    if (first < 0x80) {
      continue;
    }
    size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.len - at < more) {
      return false;
    }
    uint8_t second = text.ptr[at];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
      return false;
    }
    for (; more > 0; more--) {
      if (text.ptr[at++] >> 6 != 2) {
        return false;
      }
    }
  }
  return true;
}

/**
 * Why something failed. It begins as `{PLUGBAY_OK, ""}`, and keeps the first error that is set:
 * check it once, after several calls.
 */
typedef struct {
  /** `PLUGBAY_OK` as long as nothing failed. */
  plugbay_status status;
  /** What was expected and what was found, in UTF-8, with a terminating zero. */
  char text[192];
} plugbay_error;

/** Sets the error, unless one is set. Returns false, so that a function can fail by one statement.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline bool plugbay_set_error(plugbay_error *error, plugbay_status status,
                                     const char *format, ...) {
  if (error->status == PLUGBAY_OK) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    error->status = status;
    size_t len = strlen(error->text);
    while (!plugbay_is_utf8(plugbay_text(error->text))) {
      error->text[--len] = '\0'; /* the cut was within a character */
    }
  }
  return false;
}

/** Bytes that grow as they are written. An output begins as `{0}`, in C++ as `{}`. */
typedef struct {
  /** The bytes so far. */
  uint8_t *ptr;
  /** How many there are. */
  size_t len;
  /** How many there is room for. */
  size_t cap;
  /** The first error; after it nothing more is written. */
  plugbay_error error;
} plugbay_output;

/** Appends bytes. Like every function that writes it returns nothing: `plugbay_finish` has the
 * error. */
static inline void plugbay_write(plugbay_output *output, const void *bytes, size_t len) {
  if (output->error.status != PLUGBAY_OK || len == 0) {
    return;
  }
  if (len > output->cap - output->len) {
    size_t cap = output->cap < 64 ? 64 : output->cap;
    while (cap - output->len < len && cap <= SIZE_MAX / 2) {
      cap *= 2;
    }
    void *grown = cap - output->len < len ? NULL : realloc(output->ptr, cap);
    if (grown == NULL) {
      plugbay_set_error(&output->error, PLUGBAY_INTERNAL, "expected memory, found none left");
      return;
    }
    output->ptr = (uint8_t *)grown;
    output->cap = cap;
  }
  memcpy(output->ptr + output->len, bytes, len);
  output->len += len;
}

/** Frees an output that is not passed to `plugbay_finish`. */
static inline void plugbay_drop(plugbay_output *output) {
  free(output->ptr);
  output->ptr = NULL;
  output->len = output->cap = 0;
}

/** The `free` of what `plugbay_take` returns. */
static inline void plugbay_free_output(uint8_t *ptr, size_t len, size_t cap) {
  (void)len;
  (void)cap;
  free(ptr);
}

/** Moves the bytes of an output to a buffer, which frees them. */
static inline plugbay_buf plugbay_take(plugbay_output *output) {
  plugbay_buf buf;
  buf.ptr = output->ptr;
  buf.len = output->len;
  buf.cap = output->cap;
  buf.free = plugbay_free_output;
  output->ptr = NULL;
  output->len = output->cap = 0;
  return buf;
}

/** Ends a call with an error: writes its text to `out`, and returns its status. */
static inline plugbay_status plugbay_fail(const plugbay_error *error, plugbay_buf *out) {
  plugbay_output text;
  memset(&text, 0, sizeof(text));
  plugbay_write(&text, error->text, strlen(error->text));
  *out = plugbay_take(&text);
  return error->status;
}

/** Ends a call with what was written, or else with the error of the output. */
static inline plugbay_status plugbay_finish(plugbay_output *output, plugbay_buf *out) {
  if (output->error.status != PLUGBAY_OK) {
    plugbay_drop(output);
    return plugbay_fail(&output->error, out);
  }
  *out = plugbay_take(output);
  return PLUGBAY_OK;
}

#endif
