;; A plugin of the world `audited-codec`, by hand: the plugin `hello` 1.0.0 with the capability
;; `codec:hello`, which notes `encode` and returns its input. A real one is a crate with
;; `wit_bindgen::generate!`.
(module
  (import "acme:greet/audit@0.1.0" "note" (func $note (param i32 i32)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 256))
  (data (i32.const 64) "codechello1.0.0encode")
  ;; The capability: kind, name, description, media types, routes, as addresses and counts.
  (data (i32.const 96) "\40\00\00\00\05\00\00\00\45\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; The description: name, version, description, capabilities, no schema.
  (data (i32.const 136) "\45\00\00\00\05\00\00\00\4a\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\60\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")

  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 0x10000)) (then unreachable))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "plugbay:plugin/lifecycle@1.0.0#describe") (result i32) (i32.const 136))
  ;; Sixteen zeros are a result without an error.
  (func (export "plugbay:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32) (i32.const 16))
  (func (export "plugbay:plugin/lifecycle@1.0.0#health") (result i32) (i32.const 16))
  (func (export "plugbay:plugin/lifecycle@1.0.0#shutdown"))

  ;; A result: 0 for no error, then the address and the length of the bytes.
  (func $same (param $at i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 192) (i32.const 0))
    (i32.store (i32.const 196) (local.get $at))
    (i32.store (i32.const 200) (local.get $len))
    (i32.const 192))
  (func (export "plugbay:plugin/codec@1.0.0#encode") (param i32) (param $at i32) (param $len i32) (result i32)
    (call $note (i32.const 79) (i32.const 6))
    (call $same (local.get $at) (local.get $len)))
  (func (export "plugbay:plugin/codec@1.0.0#decode") (param i32) (param $at i32) (param $len i32) (result i32)
    (call $same (local.get $at) (local.get $len)))
  (func (export "cabi_post_plugbay:plugin/codec@1.0.0#encode") (param i32)
    (global.set $heap (i32.const 256)))
  (func (export "cabi_post_plugbay:plugin/codec@1.0.0#decode") (param i32)
    (global.set $heap (i32.const 256))))
