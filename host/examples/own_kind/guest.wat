;; A plugin of the world `greeter-plugin`, by hand: the plugin `hello` 1.0.0 with the
;; capability `greeter:hello`. A real one is a crate with `wit_bindgen::generate!`.
(module
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 256))
  (data (i32.const 64) "greeterhello1.0.0Hello, ")
  ;; The capability: kind, name, description, media types, routes, as addresses and counts.
  (data (i32.const 96) "\40\00\00\00\07\00\00\00\47\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; The description: name, version, description, capabilities, no schema.
  (data (i32.const 136) "\47\00\00\00\05\00\00\00\4c\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\60\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")

  (func $alloc (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
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

  (func (export "acme:greet/greeter@0.1.0#greet") (param i32) (param $name i32) (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.add (local.get $len) (i32.const 7))))
    (memory.copy (local.get $at) (i32.const 81) (i32.const 7))
    (memory.copy (i32.add (local.get $at) (i32.const 7)) (local.get $name) (local.get $len))
    (i32.store (i32.const 192) (local.get $at))
    (i32.store (i32.const 196) (i32.add (local.get $len) (i32.const 7)))
    (i32.const 192))
  (func (export "cabi_post_acme:greet/greeter@0.1.0#greet") (param i32)
    (global.set $heap (i32.const 256))))
