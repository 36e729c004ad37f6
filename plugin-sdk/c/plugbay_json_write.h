/*
 * Writes JSON in C, to a plugbay_output that holds nothing else. Commas are written where they are
 * due:
 *
 *   plugbay_json_put(&output, "{");
 *   plugbay_json_put_key(&output, plugbay_text("id"));
 *   plugbay_json_put_int(&output, 7);
 *   plugbay_json_put(&output, "}");
 *   return plugbay_finish(&output, out);
 */

#ifndef PLUGBAY_JSON_WRITE_H
#define PLUGBAY_JSON_WRITE_H

#include "plugbay_output.h"

#include <float.h>

/** Writes one of `{ } [ ] true false null`. */
static inline void plugbay_json_put(plugbay_output *output, const char *token) {
  /* No comma follows an opening bracket or a key, or comes before a closing bracket. */
  if (output->len > 0 && memchr("[{:", output->ptr[output->len - 1], 3) == NULL && *token != ']' &&
      *token != '}') {
    plugbay_write(output, ",", 1);
  }
  plugbay_write(output, token, strlen(token));
}

/** Writes a text, which must be UTF-8. */
static inline void plugbay_json_put_text(plugbay_output *output, plugbay_bytes text) {
  if (!plugbay_is_utf8(text)) {
    plugbay_set_error(&output->error, PLUGBAY_INVALID_INPUT, "expected UTF-8, found other bytes");
    return;
  }
  plugbay_json_put(output, "\"");
  size_t written = 0;
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = text.ptr[i];
    if (byte >= 0x20 && byte != '"' && byte != '\\') {
      continue;
    }
    char escape[8];
    snprintf(escape, sizeof(escape), byte < 0x20 ? "\\u%04x" : "\\%c", byte);
    plugbay_write(output, text.ptr + written, i - written);
    plugbay_write(output, escape, strlen(escape));
    written = i + 1;
  }
  if (text.len > written) {
    plugbay_write(output, text.ptr + written, text.len - written);
  }
  plugbay_write(output, "\"", 1);
}

/** Writes a key of an object. The writer does not look for equal keys. */
static inline void plugbay_json_put_key(plugbay_output *output, plugbay_bytes key) {
  plugbay_json_put_text(output, key);
  plugbay_write(output, ":", 1);
}

/** Writes an integer. */
static inline void plugbay_json_put_int(plugbay_output *output, int64_t number) {
  char digits[32];
  snprintf(digits, sizeof(digits), "%lld", (long long)number);
  plugbay_json_put(output, digits);
}

/** Writes an integer that is not negative. */
static inline void plugbay_json_put_uint(plugbay_output *output, uint64_t number) {
  char digits[32];
  snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
  plugbay_json_put(output, digits);
}

/** Writes a number with the fewest digits that read as the same one. JSON has no NaN and no
 * infinity. */
static inline void plugbay_json_put_double(plugbay_output *output, double number) {
  char digits[40];
  if (!(number >= -DBL_MAX && number <= DBL_MAX)) {
    plugbay_set_error(&output->error, PLUGBAY_UNSUPPORTED,
                      "expected a finite number, found NaN or an infinity");
    return;
  }
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(digits, sizeof(digits), "%.*g", precision, number);
    if (strtod(digits, NULL) == number) {
      break;
    }
  }
  for (char *at = digits; *at != '\0'; at++) {
    if (strchr("+-0123456789e", *at) == NULL) {
      *at = '.'; /* the locale's decimal point */
    }
  }
  if (strpbrk(digits, ".e") == NULL) {
    memcpy(digits + strlen(digits), ".0", 3); /* so that it is read as a float again */
  }
  plugbay_json_put(output, digits);
}

#endif
