/*
 * Reads and writes documents in C. A document, what a codec writes and reads, is one CBOR item (RFC
 * 8949).
 *
 * Reading, item by item:
 *
 *   plugbay_error error = {PLUGBAY_OK, ""};
 *   plugbay_cbor reader = plugbay_cbor_open(document, &error);
 *   plugbay_item map, key, value;
 *   if (plugbay_cbor_next(&reader, &map) && map.kind == PLUGBAY_CBOR_MAP) {
 *     while (plugbay_cbor_more(&reader, &map)) {
 *       if (plugbay_cbor_next(&reader, &key) && plugbay_cbor_next(&reader, &value)) …
 *     }
 *   }
 *   if (error.status != PLUGBAY_OK) return plugbay_fail(&error, out);
 *
 * Writing; the number of elements need not be known before:
 *
 *   size_t map = plugbay_cbor_begin(&output);
 *   plugbay_cbor_put_text(&output, plugbay_text("id"));
 *   plugbay_cbor_put_int(&output, 7);
 *   plugbay_cbor_end(&output, map, PLUGBAY_CBOR_MAP, 1);
 *   return plugbay_cbor_finish(&output, out);
 *
 * The host checks a document before `encode` gets it: it is one well-formed item, of at most 128
 * levels, with no equal keys in a map. Bytes from elsewhere, such as the body of a request, are
 * checked by `plugbay_cbor_check`; call it first, then recursion is bounded. Without it reading is
 * safe, too: every length is compared with the bytes that are left, and malformed bytes are an
 * error.
 *
 * What is written is in preferred form: lengths are definite, and heads the shortest. Strings of
 * indefinite length are refused as `PLUGBAY_UNSUPPORTED`. See plugbay_output.h for errors and
 * outputs.
 */

#ifndef PLUGBAY_CBOR_H
#define PLUGBAY_CBOR_H

#include "plugbay_output.h"

/** What an item is. The first seven are the major types of CBOR. */
typedef enum {
  /** An integer, `number`. */
  PLUGBAY_CBOR_UNSIGNED,
  /** The negative integer -1 - `number`. */
  PLUGBAY_CBOR_NEGATIVE,
  /** A byte string, `bytes`. */
  PLUGBAY_CBOR_BYTES,
  /** A text, `bytes`, which are UTF-8. */
  PLUGBAY_CBOR_TEXT,
  /** An array; see `plugbay_cbor_more`. */
  PLUGBAY_CBOR_ARRAY,
  /** A map; see `plugbay_cbor_more`. */
  PLUGBAY_CBOR_MAP,
  /** The tag `number` of the next item. Tags 2 and 3 are of integers beyond 64 bits, 0 and 1004 of
     dates. */
  PLUGBAY_CBOR_TAG,
  /** True if `number` is 1, else false. */
  PLUGBAY_CBOR_BOOL,
  /** Null. */
  PLUGBAY_CBOR_NULL,
  /** A float of any width, `real`. */
  PLUGBAY_CBOR_FLOAT,
  /** Undefined (`number` is 23), or a simple value without a name. */
  PLUGBAY_CBOR_SIMPLE
} plugbay_cbor_kind;

/** The beginning of an item; the whole item if it contains no others. */
typedef struct {
  plugbay_cbor_kind kind;
  uint64_t number;
  double real;
  plugbay_bytes bytes;
} plugbay_item;

/** A reader at an item. A copy of it stays there, so that the item can be read again. */
typedef struct {
  const uint8_t *start;
  const uint8_t *at;
  const uint8_t *end;
  plugbay_error *error;
} plugbay_cbor;

/** The `number` of an array or map of indefinite length. */
#define PLUGBAY_CBOR_INDEFINITE UINT64_MAX

/** A reader of these bytes, which need not be valid. They and `error` outlive it. */
static inline plugbay_cbor plugbay_cbor_open(plugbay_bytes cbor, plugbay_error *error) {
  plugbay_cbor reader;
  reader.start = reader.at = cbor.ptr;
  reader.end = cbor.len > 0 ? cbor.ptr + cbor.len : cbor.ptr;
  reader.error = error;
  return reader;
}

static inline bool plugbay_cbor_expected(const plugbay_cbor *reader, const char *what) {
  return plugbay_set_error(reader->error, PLUGBAY_INVALID_INPUT, "byte %lu of CBOR: expected %s",
                           (unsigned long)(reader->at - reader->start), what);
}

/* The double that a float of 2, 4 or 8 bytes is. */
static inline double plugbay_cbor_real(uint64_t bits, size_t width) {
  double real;
  if (width == 4) {
    uint32_t narrow = (uint32_t)bits;
    float single;
    memcpy(&single, &narrow, sizeof(single));
    return single;
  }
  if (width == 2) {
    uint64_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    if (exponent == 0) {
      real = (double)fraction / 16777216.0; /* subnormal: times 2^-24 */
      return bits >> 15 ? -real : real;
    }
    /* from the bias of 15 to that of 1023 */
    bits = bits >> 15 << 63 | (exponent == 31 ? 0x7ff : exponent + 1008) << 52 | fraction << 42;
  }
  memcpy(&real, &bits, sizeof(real));
  return real;
}

/** Reads the beginning of the next item. Returns false, and sets the error, if it is malformed. */
static inline bool plugbay_cbor_next(plugbay_cbor *reader, plugbay_item *item) {
  if (reader->error->status != PLUGBAY_OK) {
    return false;
  }
  if (reader->at == reader->end) {
    return plugbay_cbor_expected(reader, "an item, found the end");
  }
  uint8_t major = *reader->at >> 5, info = *reader->at & 0x1f;
  size_t left = (size_t)(reader->end - reader->at) - 1;
  size_t width = info >= 24 && info <= 27 ? (size_t)1 << (info - 24) : 0;
  bool indefinite = info == 31 && (major == PLUGBAY_CBOR_ARRAY || major == PLUGBAY_CBOR_MAP);
  if (info == 31 && (major == PLUGBAY_CBOR_BYTES || major == PLUGBAY_CBOR_TEXT)) {
    return plugbay_set_error(
        reader->error, PLUGBAY_UNSUPPORTED,
        "byte %lu of CBOR: expected a definite length, found a string in chunks",
        (unsigned long)(reader->at - reader->start));
  }
  if ((info >= 28 && !indefinite) || (major == 7 && info == 24 && left > 0 && reader->at[1] < 32)) {
    return plugbay_cbor_expected(reader, "an item, found a byte that begins none");
  }
  if (left < width) {
    return plugbay_cbor_expected(reader, "the rest of a number, found the end");
  }
  uint64_t number = width > 0 ? 0 : info;
  for (size_t i = 1; i <= width; i++) {
    number = number << 8 | reader->at[i];
  }
  left -= width;
  if (((major == PLUGBAY_CBOR_BYTES || major == PLUGBAY_CBOR_TEXT) && number > left) ||
      (!indefinite && ((major == PLUGBAY_CBOR_ARRAY && number > left) ||
                       (major == PLUGBAY_CBOR_MAP && number > left / 2)))) {
    return plugbay_cbor_expected(reader, "as much as its length says, found the end");
  }
  item->kind = (plugbay_cbor_kind)major;
  item->number = indefinite ? PLUGBAY_CBOR_INDEFINITE : number;
  item->bytes.ptr = reader->at + 1 + width;
  item->bytes.len = 0;
  item->real = 0;
  if (major == PLUGBAY_CBOR_BYTES || major == PLUGBAY_CBOR_TEXT) {
    item->bytes.len = (size_t)number;
    if (major == PLUGBAY_CBOR_TEXT && !plugbay_is_utf8(item->bytes)) {
      return plugbay_cbor_expected(reader, "a text in UTF-8, found other bytes");
    }
  }
  if (major == 7) {
    item->kind = width > 1                      ? PLUGBAY_CBOR_FLOAT
                 : number == 20 || number == 21 ? PLUGBAY_CBOR_BOOL
                 : number == 22                 ? PLUGBAY_CBOR_NULL
                                                : PLUGBAY_CBOR_SIMPLE;
    if (width > 1) {
      item->real = plugbay_cbor_real(number, width);
    } else if (item->kind == PLUGBAY_CBOR_BOOL) {
      item->number = number - 20;
    }
  }
  reader->at = item->bytes.ptr + item->bytes.len;
  return true;
}

/**
 * Whether another element of the array `item`, or another key and value of the map, follows; counts
 * its `number` down. Returns false at the end and after an error.
 */
static inline bool plugbay_cbor_more(plugbay_cbor *reader, plugbay_item *item) {
  if (reader->error->status != PLUGBAY_OK || item->number == 0) {
    return false;
  }
  if (item->number != PLUGBAY_CBOR_INDEFINITE) {
    item->number--;
    return true;
  }
  if (reader->at < reader->end && *reader->at == 0xff) {
    reader->at++;
    item->number = 0;
    return false;
  }
  return reader->at < reader->end || plugbay_cbor_expected(reader, "a break, found the end");
}

/** The integer that an item is, if it is one of 64 bits with a sign. */
static inline bool plugbay_cbor_as_int(const plugbay_item *item, int64_t *number) {
  if (item->kind > PLUGBAY_CBOR_NEGATIVE || item->number > INT64_MAX) {
    return false;
  }
  *number =
      item->kind == PLUGBAY_CBOR_NEGATIVE ? -1 - (int64_t)item->number : (int64_t)item->number;
  return true;
}

/* The order of the next items of two readers, both well-formed: equal if they are so in preferred
 * form. */
static inline int plugbay_cbor_compare(plugbay_cbor *left, plugbay_cbor *right) {
  plugbay_item x, y;
  if (!plugbay_cbor_next(left, &x) || !plugbay_cbor_next(right, &y)) {
    return 0;
  }
  if (x.kind != y.kind) {
    return x.kind < y.kind ? -1 : 1;
  }
  if (x.kind == PLUGBAY_CBOR_FLOAT) {
    return memcmp(&x.real, &y.real, sizeof(x.real));
  }
  if (x.kind == PLUGBAY_CBOR_BYTES || x.kind == PLUGBAY_CBOR_TEXT) {
    size_t shorter = x.bytes.len < y.bytes.len ? x.bytes.len : y.bytes.len;
    int order = memcmp(x.bytes.ptr, y.bytes.ptr, shorter);
    return order != 0 ? order : x.bytes.len < y.bytes.len ? -1 : x.bytes.len > y.bytes.len;
  }
  if (x.kind != PLUGBAY_CBOR_ARRAY && x.kind != PLUGBAY_CBOR_MAP) {
    int order = x.number < y.number ? -1 : x.number > y.number;
    return order == 0 && x.kind == PLUGBAY_CBOR_TAG ? plugbay_cbor_compare(left, right) : order;
  }
  for (;;) {
    bool more_left = plugbay_cbor_more(left, &x), more_right = plugbay_cbor_more(right, &y);
    if (!more_left || !more_right) {
      return more_left - more_right;
    }
    for (int parts = x.kind == PLUGBAY_CBOR_MAP ? 2 : 1; parts > 0; parts--) {
      int order = plugbay_cbor_compare(left, right);
      if (order != 0) {
        return order;
      }
    }
  }
}

/* The order of two keys, for qsort. */
static inline int plugbay_cbor_order(const void *left, const void *right) {
  plugbay_error error;
  error.status = PLUGBAY_OK;
  plugbay_cbor a = plugbay_cbor_open(*(const plugbay_bytes *)left, &error);
  plugbay_cbor b = plugbay_cbor_open(*(const plugbay_bytes *)right, &error);
  return plugbay_cbor_compare(&a, &b);
}

/* Sorts the keys of a map, and sets the error if two of them are equal. */
static inline bool plugbay_cbor_distinct(plugbay_bytes *keys, size_t count, plugbay_error *error) {
  qsort(keys, count, sizeof(*keys), plugbay_cbor_order);
  for (size_t i = 1; i < count; i++) {
    if (plugbay_cbor_order(&keys[i - 1], &keys[i]) == 0) {
      plugbay_cbor reader = plugbay_cbor_open(keys[i], error);
      plugbay_item key;
      if (!plugbay_cbor_next(&reader, &key) || key.kind != PLUGBAY_CBOR_TEXT) {
        key.bytes = plugbay_text("one that is not a text");
      }
      return plugbay_set_error(error, PLUGBAY_INVALID_INPUT,
                               "expected each key of a map once, found this one twice: %.*s",
                               key.bytes.len < 64 ? (int)key.bytes.len : 64,
                               (const char *)key.bytes.ptr);
    }
  }
  return true;
}

/* Reads a whole item. If there is an output `keys`, it holds the keys of the maps that the reader
 * is in. */
static inline bool plugbay_cbor_walk(plugbay_cbor *reader, size_t levels, plugbay_output *keys) {
  plugbay_item item;
  if (!plugbay_cbor_next(reader, &item)) {
    return false;
  }
  if (item.kind < PLUGBAY_CBOR_ARRAY || item.kind > PLUGBAY_CBOR_TAG) {
    return true;
  }
  if (levels == 0) {
    return plugbay_cbor_expected(reader, "at most 128 levels, found more");
  }
  if (item.kind == PLUGBAY_CBOR_TAG) {
    item.number = 1; /* the item that follows it */
  }
  size_t mark = keys == NULL ? 0 : keys->len;
  while (plugbay_cbor_more(reader, &item)) {
    plugbay_bytes key;
    key.ptr = reader->at;
    if (!plugbay_cbor_walk(reader, levels - 1, keys)) {
      return false;
    }
    if (item.kind == PLUGBAY_CBOR_MAP) {
      key.len = (size_t)(reader->at - key.ptr);
      if (keys != NULL) {
        plugbay_write(keys, &key, sizeof(key));
      }
      if (!plugbay_cbor_walk(reader, levels - 1, keys)) {
        return false;
      }
    }
  }
  if (keys != NULL && keys->error.status == PLUGBAY_OK && keys->len > mark) {
    plugbay_bytes *first = (plugbay_bytes *)(void *)(keys->ptr + mark);
    plugbay_cbor_distinct(first, (keys->len - mark) / sizeof(*first), reader->error);
    keys->len = mark;
  }
  return reader->error->status == PLUGBAY_OK;
}

/** Skips the next item with all that it contains. */
static inline bool plugbay_cbor_skip(plugbay_cbor *reader) {
  return plugbay_cbor_walk(reader, PLUGBAY_MAX_DEPTH, NULL);
}

/**
 * Checks that the bytes are one document: well-formed, of at most 128 levels, without equal keys in
 * a map, and with nothing after it. It allocates up to 16 bytes for each byte. Keys are equal if
 * they are so in preferred form; a bignum (tags 2 and 3) is not compared with an integer, which the
 * host does, too.
 */
static inline bool plugbay_cbor_check(plugbay_bytes cbor, plugbay_error *error) {
  plugbay_cbor reader = plugbay_cbor_open(cbor, error);
  plugbay_output keys;
  memset(&keys, 0, sizeof(keys));
  if (plugbay_cbor_walk(&reader, PLUGBAY_MAX_DEPTH, &keys) && reader.at < reader.end) {
    plugbay_cbor_expected(&reader, "the end, found more");
  }
  if (keys.error.status != PLUGBAY_OK) {
    plugbay_set_error(error, keys.error.status, "%s", keys.error.text);
  }
  plugbay_drop(&keys);
  return error->status == PLUGBAY_OK;
}

static inline size_t plugbay_cbor_head(uint8_t head[9], uint8_t major, uint64_t number) {
  size_t log2 = number <= 0xff ? 0 : number <= 0xffff ? 1 : number <= 0xffffffff ? 2 : 3;
  size_t width = number < 24 ? 0 : (size_t)1 << log2;
  head[0] = (uint8_t)(major << 5 | (width == 0 ? number : 24 + log2));
  for (size_t i = width; i > 0; i--, number >>= 8) {
    head[i] = (uint8_t)number;
  }
  return 1 + width;
}

/**
 * Writes a head: an integer, a tag, or an array or map of `number` elements, which follow. The
 * length of a string is written with it.
 */
static inline void plugbay_cbor_put(plugbay_output *output, plugbay_cbor_kind kind,
                                    uint64_t number) {
  uint8_t head[9];
  plugbay_write(output, head, plugbay_cbor_head(head, (uint8_t)kind, number));
}

/** Writes a text, which must be UTF-8. */
static inline void plugbay_cbor_put_text(plugbay_output *output, plugbay_bytes text) {
  plugbay_cbor_put(output, PLUGBAY_CBOR_TEXT, text.len);
  plugbay_write(output, text.ptr, text.len);
}

/** Writes a byte string. */
static inline void plugbay_cbor_put_bytes(plugbay_output *output, plugbay_bytes bytes) {
  plugbay_cbor_put(output, PLUGBAY_CBOR_BYTES, bytes.len);
  plugbay_write(output, bytes.ptr, bytes.len);
}

/** Writes an integer. */
static inline void plugbay_cbor_put_int(plugbay_output *output, int64_t number) {
  if (number < 0) {
    plugbay_cbor_put(output, PLUGBAY_CBOR_NEGATIVE, (uint64_t)(-1 - number));
  } else {
    plugbay_cbor_put(output, PLUGBAY_CBOR_UNSIGNED, (uint64_t)number);
  }
}

/** Writes a float, of 64 bits as all in documents. */
static inline void plugbay_cbor_put_double(plugbay_output *output, double number) {
  uint8_t bytes[9];
  uint64_t bits;
  memcpy(&bits, &number, sizeof(bits));
  bytes[0] = 0xfb;
  for (size_t i = 8; i > 0; i--, bits >>= 8) {
    bytes[i] = (uint8_t)bits;
  }
  plugbay_write(output, bytes, sizeof(bytes));
}

/** Writes true or false. */
static inline void plugbay_cbor_put_bool(plugbay_output *output, bool truth) {
  plugbay_write(output, truth ? "\xf5" : "\xf4", 1);
}

/** Writes null. */
static inline void plugbay_cbor_put_null(plugbay_output *output) {
  plugbay_write(output, "\xf6", 1);
}

/** Begins an array or a map whose number of elements is not known yet. Returns what its end needs.
 */
static inline size_t plugbay_cbor_begin(plugbay_output *output) {
  plugbay_write(output, "", 1);
  return output->len;
}

/** Ends the array of `count` elements, or the map of `count` keys and values, that began at `mark`.
 */
static inline void plugbay_cbor_end(plugbay_output *output, size_t mark, plugbay_cbor_kind kind,
                                    uint64_t count) {
  uint8_t head[9];
  size_t len = plugbay_cbor_head(head, (uint8_t)kind, count);
  plugbay_write(output, head, len - 1); /* room for what the head takes beyond its first byte */
  if (output->error.status == PLUGBAY_OK) {
    memmove(output->ptr + mark + len - 1, output->ptr + mark, output->len - (len - 1) - mark);
    memcpy(output->ptr + mark - 1, head, len);
  }
}

/**
 * Ends a call with the document that was written. It is checked: a map with equal keys, a text that
 * is not UTF-8 and more than 128 levels are `PLUGBAY_INVALID_INPUT`, because they came from the
 * input.
 */
static inline plugbay_status plugbay_cbor_finish(plugbay_output *output, plugbay_buf *out) {
  if (output->error.status == PLUGBAY_OK) {
    plugbay_bytes written;
    written.ptr = output->ptr;
    written.len = output->len;
    plugbay_cbor_check(written, &output->error);
  }
  return plugbay_finish(output, out);
}

#endif
