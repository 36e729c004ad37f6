/* Texts, each letter moved by 13 places. */

#include "plugbay.h"
#include "plugbay_cbor.h"

/* There is nothing to keep, but an instance may not be null. */
static char instance_of_all;

static plugbay_status describe(plugbay_host host, plugbay_buf *out) {
  (void)host;
  *out = plugbay_literal(
      "{\"name\": \"plugin-name\", \"version\": \"0.1.0\","
      " \"description\": \"texts, each letter moved by 13 places\","
      " \"capabilities\": [{\"kind\": \"codec\", \"name\": \"plugin-name\"}],"
      " \"config_schema\": {\"type\": \"object\", \"additionalProperties\": false}}");
  return PLUGBAY_OK;
}

static plugbay_status create(plugbay_host host, plugbay_bytes config, void **instance,
                             plugbay_buf *out) {
  (void)host;
  (void)config; /* the schema allows none */
  *instance = &instance_of_all;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
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

static void write_rotated(plugbay_output *to, plugbay_bytes from) {
  for (size_t at = 0; at < from.len; at++) {
    uint8_t letter = rotate(from.ptr[at]);
    plugbay_write(to, &letter, 1);
  }
}

/* From a document, one CBOR item, to bytes. */
static plugbay_status encode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes document, plugbay_buf *out) {
  (void)instance;
  (void)host;
  (void)index;
  plugbay_output bytes = {0};
  plugbay_cbor reader = plugbay_cbor_open(document, &bytes.error);
  plugbay_item text;
  if (plugbay_cbor_next(&reader, &text)) {
    if (text.kind == PLUGBAY_CBOR_TEXT) {
      write_rotated(&bytes, text.bytes);
    } else {
      plugbay_set_error(&bytes.error, PLUGBAY_UNSUPPORTED,
                        "expected a text, found another document");
    }
  }
  return plugbay_finish(&bytes, out);
}

/* From bytes to a document. */
static plugbay_status decode(void *instance, plugbay_host host, uint32_t index,
                             plugbay_bytes bytes, plugbay_buf *out) {
  (void)instance;
  (void)host;
  (void)index;
  plugbay_output text = {0}, document = {0};
  write_rotated(&text, bytes);
  if (text.error.status != PLUGBAY_OK) {
    return plugbay_finish(&text, out);
  }
  plugbay_bytes rotated;
  rotated.ptr = text.ptr;
  rotated.len = text.len;
  plugbay_cbor_put_text(&document, rotated);
  plugbay_drop(&text);
  return plugbay_cbor_finish(&document, out); /* refuses a text that is not UTF-8 */
}

static plugbay_status health(void *instance, plugbay_host host, plugbay_buf *out) {
  (void)instance;
  (void)host;
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

static void shutdown(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
}

static void destroy(void *instance, plugbay_host host) {
  (void)instance;
  (void)host;
}

static const plugbay_codec_table codec = {sizeof(plugbay_codec_table), 1, encode, decode};

static const plugbay_kind kinds[] = {PLUGBAY_KIND("codec", codec)};

static const plugbay_vtable vtable = {
    sizeof(plugbay_vtable), PLUGBAY_VERSION, describe, create, health, shutdown, destroy,
    {kinds, 1},
};

PLUGBAY_PLUGIN(vtable);
