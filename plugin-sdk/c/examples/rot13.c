/*
 * A codec in C: texts, each letter moved by 13 places.
 *
 *   cc -shared -fPIC -fvisibility=hidden -I.. -o rot13.so rot13.c
 *
 * It offers two. `rot13` takes and gives texts, which it reads from CBOR itself. `rot13-json` takes
 * every document: it asks the host's codec `json` for its text, and moves the letters of that.
 */

#include "plugbay.h"

#include <stdlib.h>

/* The instance: there is nothing to keep, but it may not be null. */
static char instance_of_all;

static plugbay_status fail(plugbay_status status, const char *message, plugbay_buf *out) {
  *out = plugbay_literal(message);
  return status;
}

static void free_answer(uint8_t *ptr, size_t len, size_t cap) {
  (void)len;
  (void)cap;
  free(ptr);
}

/* Room for an answer of `len` bytes; its `ptr` is null if there is none. */
static plugbay_buf new_answer(size_t len) {
  plugbay_buf answer;
  answer.ptr = malloc(len > 0 ? len : 1);
  answer.len = len;
  answer.cap = len;
  answer.free = free_answer;
  return answer;
}

static uint8_t rotate(uint8_t letter) {
  if (letter >= 'a' && letter <= 'z') {
    return (uint8_t)('a' + (letter - 'a' + 13) % 26);
  }
  if (letter >= 'A' && letter <= 'Z') {
    return (uint8_t)('A' + (letter - 'A' + 13) % 26);
  }
  return letter;
}

static void rotate_all(uint8_t *to, const uint8_t *from, size_t len) {
  for (size_t i = 0; i < len; i++) {
    to[i] = rotate(from[i]);
  }
}

/* Finds the text in one CBOR item (RFC 8949, section 3.1). Returns false for anything else. */
static bool cbor_text(plugbay_bytes item, plugbay_bytes *text) {
  if (item.len == 0 || item.ptr[0] >> 5 != 3) {
    return false;
  }
  uint8_t info = item.ptr[0] & 0x1f;
  uint64_t len = info;
  size_t head = 1;
  if (info >= 24) {
    if (info > 27) {
      return false; /* of unknown length: in pieces */
    }
    size_t more = (size_t)1 << (info - 24);
    if (item.len < 1 + more) {
      return false;
    }
    len = 0;
    for (size_t i = 0; i < more; i++) {
      len = len << 8 | item.ptr[1 + i];
    }
    head += more;
  }
  if (len != item.len - head) {
    return false;
  }
  text->ptr = item.ptr + head;
  text->len = (size_t)len;
  return true;
}

/* Writes the head of a CBOR text of `len` bytes; returns how long the head is. */
static size_t cbor_head(uint8_t head[9], uint64_t len) {
  int log2 = len < 24 ? -1 : len <= 0xff ? 0 : len <= 0xffff ? 1 : len <= 0xffffffff ? 2 : 3;
  if (log2 < 0) {
    head[0] = (uint8_t)(0x60 | len);
    return 1;
  }
  size_t more = (size_t)1 << log2;
  head[0] = (uint8_t)(0x60 | (24 + log2));
  for (size_t i = 0; i < more; i++) {
    head[1 + i] = (uint8_t)(len >> 8 * (more - 1 - i));
  }
  return 1 + more;
}

/* Whether the bytes are ASCII, and so UTF-8. */
static bool is_ascii(plugbay_bytes bytes) {
  for (size_t i = 0; i < bytes.len; i++) {
    if (bytes.ptr[i] >= 0x80) {
      return false;
    }
  }
  return true;
}

static plugbay_status describe(plugbay_host host, plugbay_buf *out) {
  (void)host;
  *out = plugbay_literal(
      "{\"name\": \"rot13\", \"version\": \"1.0.0\","
      " \"description\": \"texts, moved by 13 places\", \"capabilities\": ["
      "{\"kind\": \"codec\", \"name\": \"rot13\", \"media_types\": [\"text/x-rot13\"]},"
      "{\"kind\": \"codec\", \"name\": \"rot13-json\"}"
      "], \"config_schema\": {\"type\": \"object\", \"additionalProperties\": false}}");
  return PLUGBAY_OK;
}

static plugbay_status create(plugbay_host host, plugbay_bytes config, void **instance,
                             plugbay_buf *out) {
  (void)config; /* the schema allows none */
  plugbay_pair field;
  field.key = plugbay_text("language");
  field.value = plugbay_text("C");
  plugbay_pairs fields;
  fields.ptr = &field;
  fields.len = 1;
  host.vtable->log(host.ctx, PLUGBAY_LEVEL_INFO, plugbay_text("created"), fields);
  *instance = &instance_of_all;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

static plugbay_status health(void *instance, plugbay_host host, plugbay_buf *out) {
  (void)instance;
  (void)host;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

static plugbay_status encode_text(plugbay_bytes document, plugbay_buf *out) {
  plugbay_bytes text;
  if (!cbor_text(document, &text)) {
    return fail(PLUGBAY_UNSUPPORTED, "expected a text, found another document", out);
  }
  plugbay_buf answer = new_answer(text.len);
  if (answer.ptr == NULL) {
    return fail(PLUGBAY_INTERNAL, "out of memory", out);
  }
  rotate_all(answer.ptr, text.ptr, text.len);
  *out = answer;
  return PLUGBAY_OK;
}

static plugbay_status decode_text(plugbay_bytes bytes, plugbay_buf *out) {
  if (!is_ascii(bytes)) {
    return fail(PLUGBAY_INVALID_INPUT, "expected ASCII, found a byte above 127", out);
  }
  uint8_t head[9];
  size_t len = cbor_head(head, bytes.len);
  plugbay_buf answer = new_answer(len + bytes.len);
  if (answer.ptr == NULL) {
    return fail(PLUGBAY_INTERNAL, "out of memory", out);
  }
  memcpy(answer.ptr, head, len);
  rotate_all(answer.ptr + len, bytes.ptr, bytes.len);
  *out = answer;
  return PLUGBAY_OK;
}

/* Gives back what the host made. */
static void give_back(plugbay_buf buf) {
  if (buf.free != NULL) {
    buf.free(buf.ptr, buf.len, buf.cap);
  }
}

static plugbay_status encode_json(plugbay_host host, plugbay_bytes document, plugbay_buf *out) {
  plugbay_buf json;
  plugbay_status status =
      host.vtable->encode(host.ctx, plugbay_text("json"), document, &json);
  if (status != PLUGBAY_OK) {
    *out = json; /* the host's message, handed on as it is */
    return status;
  }
  plugbay_buf answer = new_answer(json.len);
  if (answer.ptr != NULL) {
    rotate_all(answer.ptr, json.ptr, json.len);
    *out = answer;
  }
  give_back(json);
  return answer.ptr != NULL ? PLUGBAY_OK : fail(PLUGBAY_INTERNAL, "out of memory", out);
}

static plugbay_status decode_json(plugbay_host host, plugbay_bytes bytes, plugbay_buf *out) {
  plugbay_buf json = new_answer(bytes.len);
  if (json.ptr == NULL) {
    return fail(PLUGBAY_INTERNAL, "out of memory", out);
  }
  rotate_all(json.ptr, bytes.ptr, bytes.len);
  plugbay_bytes borrowed;
  borrowed.ptr = json.ptr;
  borrowed.len = json.len;
  plugbay_status status = host.vtable->decode(host.ctx, plugbay_text("json"), borrowed, out);
  give_back(json);
  return status;
}

static plugbay_status encode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes document, plugbay_buf *out) {
  (void)instance;
  host.vtable->metric_add(host.ctx, plugbay_text("encoded"), document.len);
  return index == 0 ? encode_text(document, out) : encode_json(host, document, out);
}

static plugbay_status decode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes bytes, plugbay_buf *out) {
  (void)instance;
  host.vtable->metric_set(host.ctx, plugbay_text("last"), (double)bytes.len);
  return index == 0 ? decode_text(bytes, out) : decode_json(host, bytes, out);
}

static void shutdown(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
}

static void destroy(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
}

static const plugbay_codec_table codec = {
    sizeof(plugbay_codec_table),
    1,
    encode,
    decode,
};

static const plugbay_kind kinds[] = {PLUGBAY_KIND("codec", codec)};

static const plugbay_vtable vtable = {
    sizeof(plugbay_vtable), PLUGBAY_VERSION, describe, create, health, shutdown, destroy,
    {kinds, 1},
};

PLUGBAY_PLUGIN(vtable);
