// A codec in C++: bytes, in the opposite order.
//
//   c++ -shared -fPIC -fvisibility=hidden -fno-gnu-unique -std=c++17 -I.. -o reverse.so reverse.cpp

#include "plugbay.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <string>

namespace {

void free_answer(uint8_t *ptr, size_t, size_t) noexcept { delete[] ptr; }

plugbay_buf answer(const std::string &text) {
  plugbay_buf buf;
  buf.ptr = new uint8_t[text.size()];
  std::copy(text.begin(), text.end(), buf.ptr);
  buf.len = buf.cap = text.size();
  buf.free = free_answer;
  return buf;
}

// Runs `work`. No exception may leave a function of the vtable.
template <typename Work> plugbay_status guarded(plugbay_buf *out, Work work) noexcept {
  try {
    *out = work();
    return PLUGBAY_OK;
  } catch (const std::exception &) {
    *out = plugbay_literal("an exception was thrown");
  } catch (...) {
    *out = plugbay_literal("something was thrown");
  }
  return PLUGBAY_INTERNAL;
}

plugbay_status describe(plugbay_host, plugbay_buf *out) noexcept {
  return guarded(out, [] {
    return plugbay_literal(R"({"name": "reverse", "version": "1.0.0",
      "capabilities": [{"kind": "codec", "name": "reverse"}]})");
  });
}

plugbay_status create(plugbay_host, plugbay_bytes, void **instance, plugbay_buf *out) noexcept {
  return guarded(out, [instance] {
    *instance = new std::string("reverse");
    return plugbay_literal("");
  });
}

plugbay_status health(void *, plugbay_host, plugbay_buf *out) noexcept {
  *out = plugbay_literal("");
  return PLUGBAY_OK;
}

// A document of the codec is a short CBOR byte string: 0x40 and its length, then the bytes.
plugbay_status encode(void *, plugbay_host, uint32_t, plugbay_bytes document,
                      plugbay_buf *out) noexcept {
  if (document.len == 0 || document.ptr[0] != 0x40 + document.len - 1 || document.len > 24) {
    *out = plugbay_literal("expected a byte string of at most 23 bytes");
    return PLUGBAY_UNSUPPORTED;
  }
  return guarded(out, [document] {
    return answer(std::string(std::reverse_iterator(document.ptr + document.len),
                              std::reverse_iterator(document.ptr + 1)));
  });
}

plugbay_status decode(void *, plugbay_host, uint32_t, plugbay_bytes bytes,
                      plugbay_buf *out) noexcept {
  return guarded(out, [bytes] {
    if (bytes.len > 23) {
      throw std::bad_alloc();
    }
    std::string document(1, static_cast<char>(0x40 + bytes.len));
    document.append(bytes.ptr, bytes.ptr + bytes.len);
    std::reverse(document.begin() + 1, document.end());
    return answer(document);
  });
}

void shutdown(void *, plugbay_host) noexcept {}

void destroy(void *instance, plugbay_host) noexcept { delete static_cast<std::string *>(instance); }

const plugbay_codec_table codec = {sizeof(plugbay_codec_table), 1, encode, decode};

const plugbay_kind kinds[] = {PLUGBAY_KIND("codec", codec)};

const plugbay_vtable vtable = {
    sizeof(plugbay_vtable), PLUGBAY_VERSION, describe, create, health, shutdown, destroy,
    {kinds, 1},
};

} // namespace

PLUGBAY_PLUGIN(vtable);
