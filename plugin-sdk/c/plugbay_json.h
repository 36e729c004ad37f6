/*
 * Reads JSON in C: above all a plugin's config. plugbay_json_write.h writes it.
 *
 * Config is read by the keys of its object. A key that is absent leaves the value as it is, so that
 * the default is what the variable holds; an error is kept, so that one check at the end is enough:
 *
 *   int64_t port = 80;
 *   char host[64] = "localhost";
 *   plugbay_error error = {PLUGBAY_OK, ""};
 *   plugbay_json_get_int(config, "port", &port, &error);
 *   plugbay_json_get_text(config, "host", host, sizeof(host), &error);
 *   if (error.status != PLUGBAY_OK) return plugbay_fail(&error, out);
 *
 * Values of other shapes are read with `plugbay_json_get`, `plugbay_json_open` and
 * `plugbay_json_next`.
 *
 * The reader accepts exactly JSON (RFC 8259), and of that at most 128 levels, numbers of at most 63
 * characters, and no escaped half of a surrogate pair. Messages name the key and
 * never show a value, which may be a secret. See plugbay_output.h for errors and outputs.
 */

#ifndef PLUGBAY_JSON_H
#define PLUGBAY_JSON_H

#include "plugbay_output.h"

#include <float.h>

/** A reader of the elements of one array or object. */
typedef struct {
  const uint8_t *start;
  const uint8_t *at;
  const uint8_t *end;
  size_t depth;
  uint8_t close;
  bool first;
  plugbay_error *error;
} plugbay_json;

static inline bool plugbay_json_expected(const plugbay_json *json, const char *what) {
  return plugbay_set_error(json->error, PLUGBAY_INVALID_INPUT,
                           "byte %lu of JSON: expected %s, found %s",
                           (unsigned long)(json->at - json->start), what,
                           json->at < json->end ? "another byte" : "the end");
}

static inline void plugbay_json_space(plugbay_json *json) {
  while (json->at < json->end && memchr(" \t\n\r", *json->at, 4) != NULL) {
    json->at++;
  }
}

/* Takes one byte if it is next. */
static inline bool plugbay_json_take(plugbay_json *json, char byte) {
  bool found = json->at < json->end && *json->at == (uint8_t)byte;
  json->at += found;
  return found;
}

static inline int32_t plugbay_json_hex(const uint8_t *at, const uint8_t *end) {
  int32_t number = 0;
  for (size_t i = 0; i < 4; i++, at++) {
    if (at == end) {
      return -1;
    }
    int32_t lower = *at | 0x20;
    bool digit = *at >= '0' && *at <= '9';
    if (!digit && (lower < 'a' || lower > 'f')) {
      return -1;
    }
    number = number * 16 + (digit ? *at - '0' : lower - 'a' + 10);
  }
  return number;
}

/* Reads one byte or escape of a string to at most 4 bytes of UTF-8. Returns how many; 0 is an
 * error. */
static inline size_t plugbay_json_unit(const uint8_t **at, const uint8_t *end, uint8_t utf8[4]) {
  static const char escapes[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  if (*at == end || **at < 0x20) {
    return 0;
  }
  utf8[0] = *(*at)++;
  if (utf8[0] != '\\') {
    return 1;
  }
  if (*at == end) {
    return 0;
  }
  uint8_t escape = *(*at)++;
  if (escape != 'u') {
    const void *found = memchr(escapes, escape, sizeof(escapes) - 1);
    if (found == NULL) {
      return 0;
    }
    utf8[0] = (uint8_t)meanings[(const char *)found - escapes];
    return 1;
  }
  int32_t code = plugbay_json_hex(*at, end);
  if (code < 0 || code >> 10 == 0xdc00 >> 10) {
    return 0;
  }
  *at += 4;
  if (code < 0x80) {
    utf8[0] = (uint8_t)code;
    return 1;
  }
  size_t more = code < 0x800 ? 1 : 2;
  if (code >> 10 == 0xd800 >> 10) {
    if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
      return 0;
    }
    int32_t low = plugbay_json_hex(*at + 2, end);
    if (low < 0 || low >> 10 != 0xdc00 >> 10) {
      return 0;
    }
    *at += 6;
    code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
    more = 3;
  }
  static const uint8_t firsts[] = {0, 0xc0, 0xe0, 0xf0};
  for (size_t i = more; i > 0; i--, code >>= 6) {
    utf8[i] = (uint8_t)(0x80 | (code & 0x3f));
  }
  utf8[0] = (uint8_t)(firsts[more] | code);
  return more + 1;
}

static inline bool plugbay_json_skip_text(plugbay_json *json) {
  plugbay_bytes text;
  uint8_t unit[4];
  text.ptr = json->at;
  if (!plugbay_json_take(json, '"')) {
    return plugbay_json_expected(json, "a text");
  }
  while (!plugbay_json_take(json, '"')) {
    if (plugbay_json_unit(&json->at, json->end, unit) == 0) {
      return plugbay_json_expected(json, "a character of a text");
    }
  }
  text.len = (size_t)(json->at - text.ptr);
  return plugbay_is_utf8(text) || plugbay_json_expected(json, "a text in UTF-8 before it");
}

static inline bool plugbay_json_digits(plugbay_json *json) {
  const uint8_t *first = json->at;
  while (json->at < json->end && *json->at >= '0' && *json->at <= '9') {
    json->at++;
  }
  return json->at > first || plugbay_json_expected(json, "a digit");
}

static inline bool plugbay_json_skip_number(plugbay_json *json) {
  const uint8_t *first = json->at;
  plugbay_json_take(json, '-');
  if (!plugbay_json_take(json, '0') && !plugbay_json_digits(json)) {
    return false;
  }
  if (plugbay_json_take(json, '.') && !plugbay_json_digits(json)) {
    return false;
  }
  if (plugbay_json_take(json, 'e') || plugbay_json_take(json, 'E')) {
    if (!plugbay_json_take(json, '-')) {
      plugbay_json_take(json, '+');
    }
    if (!plugbay_json_digits(json)) {
      return false;
    }
  }
  return json->at - first < 64 || plugbay_json_expected(json, "a number of at most 63 characters");
}

/* Whether an element follows; if not, the end of the array or object was read, or an error is set.
 */
static inline bool plugbay_json_element(plugbay_json *json, uint8_t close, bool *first) {
  plugbay_json_space(json);
  if (plugbay_json_take(json, (char)close)) {
    return false;
  }
  if (!*first && !plugbay_json_take(json, ',')) {
    return plugbay_json_expected(json, close == '}' ? "a comma or }" : "a comma or ]");
  }
  *first = false;
  plugbay_json_space(json);
  return true;
}

static inline bool plugbay_json_skip_key(plugbay_json *json, plugbay_bytes *key) {
  key->ptr = json->at;
  if (!plugbay_json_skip_text(json)) {
    return false;
  }
  key->len = (size_t)(json->at - key->ptr);
  plugbay_json_space(json);
  if (!plugbay_json_take(json, ':')) {
    return plugbay_json_expected(json, "a colon");
  }
  plugbay_json_space(json);
  return true;
}

static inline bool plugbay_json_skip_word(plugbay_json *json) {
  static const char *const words[] = {"true", "false", "null"};
  for (size_t i = 0; i < 3; i++) {
    size_t len = strlen(words[i]);
    if ((size_t)(json->end - json->at) >= len && memcmp(json->at, words[i], len) == 0) {
      json->at += len;
      return true;
    }
  }
  return plugbay_json_expected(json, "a value");
}

static inline bool plugbay_json_skip(plugbay_json *json) {
  uint8_t first = json->at < json->end ? *json->at : 0;
  if (first == '"') {
    return plugbay_json_skip_text(json);
  }
  if (first == '-' || (first >= '0' && first <= '9')) {
    return plugbay_json_skip_number(json);
  }
  if (first != '{' && first != '[') {
    return plugbay_json_skip_word(json);
  }
  if (json->depth == PLUGBAY_MAX_DEPTH) {
    return plugbay_json_expected(json, "at most 128 levels");
  }
  json->depth++;
  json->at++;
  uint8_t close = first == '{' ? '}' : ']';
  bool is_first = true;
  plugbay_bytes key;
  while (plugbay_json_element(json, close, &is_first)) {
    if ((close == '}' && !plugbay_json_skip_key(json, &key)) || !plugbay_json_skip(json)) {
      return false;
    }
  }
  json->depth--;
  return json->error->status == PLUGBAY_OK;
}

/**
 * Opens the array (`[`) or the object (`{`) that `value` is. If it is another value, an error is
 * set, and `plugbay_json_next` returns false.
 */
static inline plugbay_json plugbay_json_open(plugbay_bytes value, char open, plugbay_error *error) {
  plugbay_json json;
  json.start = json.at = value.ptr;
  json.end = value.len > 0 ? value.ptr + value.len : value.ptr;
  json.depth = 1;
  json.close = open == '{' ? '}' : ']';
  json.first = true;
  json.error = error;
  plugbay_json_space(&json);
  if (!plugbay_json_take(&json, open)) {
    plugbay_json_expected(&json, open == '{' ? "an object" : "an array");
  }
  return json;
}

/**
 * The next element. `key` is its key, a JSON text with its quotes; in an array it is not written,
 * and may be null. Returns false at the end, where it checks that nothing follows, and after an
 * error.
 */
static inline bool plugbay_json_next(plugbay_json *json, plugbay_bytes *key, plugbay_bytes *value) {
  if (json->error->status != PLUGBAY_OK) {
    return false;
  }
  if (!plugbay_json_element(json, json->close, &json->first)) {
    plugbay_json_space(json);
    if (json->error->status == PLUGBAY_OK && json->at < json->end) {
      plugbay_json_expected(json, "the end");
    }
    return false;
  }
  if (json->close == '}' && !plugbay_json_skip_key(json, key)) {
    return false;
  }
  value->ptr = json->at;
  if (!plugbay_json_skip(json)) {
    return false;
  }
  value->len = (size_t)(json->at - value->ptr);
  return true;
}

/** Whether a value of `plugbay_json_next` is a text, such as a key, that means `text`. */
static inline bool plugbay_json_is(plugbay_bytes value, const char *text) {
  if (value.len < 2 || value.ptr[0] != '"') {
    return false;
  }
  size_t left = strlen(text);
  const uint8_t *at = value.ptr + 1;
  const uint8_t *end = value.ptr + value.len - 1;
  while (at < end) {
    uint8_t unit[4];
    size_t len = plugbay_json_unit(&at, end, unit);
    if (len == 0 || len > left || memcmp(unit, text, len) != 0) {
      return false;
    }
    text += len;
    left -= len;
  }
  return left == 0;
}

/** Appends what a text means to `output`. Returns false if the value is no text. */
static inline bool plugbay_json_unescape(plugbay_bytes value, plugbay_output *output) {
  if (value.len < 2 || value.ptr[0] != '"') {
    return false;
  }
  const uint8_t *at = value.ptr + 1;
  const uint8_t *end = value.ptr + value.len - 1;
  while (at < end) {
    uint8_t unit[4];
    size_t len = plugbay_json_unit(&at, end, unit);
    if (len == 0) {
      return false;
    }
    plugbay_write(output, unit, len);
  }
  return true;
}

/**
 * As `plugbay_json_unescape`, into `size` bytes with a zero at the end. Returns false, with a part
 * of it, if it does not fit or has U+0000.
 */
static inline bool plugbay_json_as_text(plugbay_bytes value, char *text, size_t size) {
  if (value.len < 2 || value.ptr[0] != '"' || size == 0) {
    return false;
  }
  const uint8_t *at = value.ptr + 1;
  const uint8_t *end = value.ptr + value.len - 1;
  text[0] = '\0';
  while (at < end) {
    uint8_t unit[4];
    size_t len = plugbay_json_unit(&at, end, unit);
    if (len == 0 || len >= size || unit[0] == 0) {
      return false;
    }
    memcpy(text, unit, len);
    text += len;
    size -= len;
    *text = '\0';
  }
  return true;
}

/** The integer that a value is: without a fraction and an exponent, and of 64 bits. */
static inline bool plugbay_json_as_int(plugbay_bytes value, int64_t *number) {
  bool negative = value.len > 0 && value.ptr[0] == '-';
  uint64_t magnitude = 0;
  uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
  for (size_t i = negative; i < value.len; i++) {
    uint64_t digit = (uint64_t)value.ptr[i] - '0';
    if (digit > 9 || magnitude > (most - digit) / 10) {
      return false;
    }
    magnitude = magnitude * 10 + digit;
  }
  if (value.len == negative) {
    return false;
  }
  *number = negative && magnitude > 0 ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
  return true;
}

/* What the process's locale writes between the digits of a number: strtod and printf obey it. */
static inline char plugbay_decimal_point(void) {
  char half[8];
  snprintf(half, sizeof(half), "%.1f", 0.5);
  return half[1];
}

/** The finite number that a value is. */
static inline bool plugbay_json_as_double(plugbay_bytes value, double *number) {
  char digits[64];
  if (value.len == 0 || value.len >= sizeof(digits) ||
      memchr("-0123456789", value.ptr[0], 11) == NULL) {
    return false;
  }
  memcpy(digits, value.ptr, value.len);
  digits[value.len] = '\0';
  char *point = strchr(digits, '.');
  if (point != NULL) {
    *point = plugbay_decimal_point();
  }
  double found = strtod(digits, NULL);
  if (!(found >= -DBL_MAX && found <= DBL_MAX)) {
    return false;
  }
  *number = found;
  return true;
}

/** The boolean that a value is. */
static inline bool plugbay_json_as_bool(plugbay_bytes value, bool *truth) {
  if (value.len < 4 || (value.ptr[0] != 't' && value.ptr[0] != 'f')) {
    return false;
  }
  *truth = value.ptr[0] == 't';
  return true;
}

/**
 * The value of a key of an object, as JSON text; its `ptr` is null if the key is absent. The whole
 * object is read: an error is set, and false returned, if it is malformed, no object, or has the
 * key twice.
 */
static inline bool plugbay_json_get(plugbay_bytes object, const char *key, plugbay_bytes *value,
                                    plugbay_error *error) {
  plugbay_bytes found_key, found;
  value->ptr = NULL;
  value->len = 0;
  plugbay_json json = plugbay_json_open(object, '{', error);
  while (plugbay_json_next(&json, &found_key, &found)) {
    if (!plugbay_json_is(found_key, key)) {
      continue;
    }
    if (value->ptr != NULL) {
      return plugbay_set_error(error, PLUGBAY_INVALID_INPUT, "expected \"%s\" once, found it twice",
                               key);
    }
    *value = found;
  }
  return error->status == PLUGBAY_OK;
}

/** Sets the error that a value of `key` is not what was expected, and returns false. */
static inline bool plugbay_json_wrong(plugbay_bytes value, const char *key, const char *expected,
                                      plugbay_error *error) {
  uint8_t first = value.len > 0 ? value.ptr[0] : 0;
  const char *found = first == '"'                   ? "a text"
                      : first == '{'                 ? "an object"
                      : first == '['                 ? "an array"
                      : first == 'n'                 ? "null"
                      : first == 't' || first == 'f' ? "a boolean"
                                                     : "a number";
  return plugbay_set_error(error, PLUGBAY_INVALID_INPUT, "expected %s at \"%s\", found %s",
                           expected, key,
                           strncmp(expected, found, strlen(found)) == 0 ? "another" : found);
}

/** Reads a text of less than `size` bytes, none zero; leaves `text` as it is if the key is absent.
 */
static inline bool plugbay_json_get_text(plugbay_bytes object, const char *key, char *text,
                                         size_t size, plugbay_error *error) {
  plugbay_bytes value;
  char expected[64];
  if (!plugbay_json_get(object, key, &value, error)) {
    return false;
  }
  if (value.ptr == NULL || plugbay_json_as_text(value, text, size)) {
    return true;
  }
  snprintf(expected, sizeof(expected), "a text of at most %lu bytes without U+0000",
           (unsigned long)size - 1);
  return plugbay_json_wrong(value, key, expected, error);
}

/** Reads an integer; leaves `number` as it is if the key is absent. */
static inline bool plugbay_json_get_int(plugbay_bytes object, const char *key, int64_t *number,
                                        plugbay_error *error) {
  plugbay_bytes value;
  return plugbay_json_get(object, key, &value, error) &&
         (value.ptr == NULL || plugbay_json_as_int(value, number) ||
          plugbay_json_wrong(value, key, "an integer of 64 bits", error));
}

/** Reads a number; leaves `number` as it is if the key is absent. */
static inline bool plugbay_json_get_double(plugbay_bytes object, const char *key, double *number,
                                           plugbay_error *error) {
  plugbay_bytes value;
  return plugbay_json_get(object, key, &value, error) &&
         (value.ptr == NULL || plugbay_json_as_double(value, number) ||
          plugbay_json_wrong(value, key, "a number in the range of a double", error));
}

/** Reads a boolean; leaves `truth` as it is if the key is absent. */
static inline bool plugbay_json_get_bool(plugbay_bytes object, const char *key, bool *truth,
                                         plugbay_error *error) {
  plugbay_bytes value;
  return plugbay_json_get(object, key, &value, error) &&
         (value.ptr == NULL || plugbay_json_as_bool(value, truth) ||
          plugbay_json_wrong(value, key, "a boolean", error));
}

#endif
