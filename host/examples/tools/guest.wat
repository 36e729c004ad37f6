;; A plugin of the world `tool-plugin`, by hand: the plugin `echo` 1.0.0 with the capability `tool:echo`, which answers with
;; its arguments, and with an error if they are `{}`. A real one is made by `plugbay new echo --kind tool.wit`.
(module
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 1024))
  (data (i32.const 64) "toolecho1.0.0")
  (data (i32.const 256) "DESCRIPTION")
  (data (i32.const 512) "{\"type\":\"object\"}")
  (data (i32.const 768) "expected an argument, found none")
  ;; The capability: kind, name, description, media types, routes, as addresses and counts.
  (data (i32.const 96) "\40\00\00\00\04\00\00\00\44\00\00\00\04\00\00\00\40\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; The description: name, version, description, capabilities, no schema.
  (data (i32.const 136) "\44\00\00\00\04\00\00\00\48\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\60\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; What `describe` answers: description, schema.
  (data (i32.const 200) "\00\01\00\00\0b\00\00\00\00\02\00\00\11\00\00\00")

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

  (func (export "examples:tools/tool@0.1.0#describe") (param i32) (result i32) (i32.const 200))
  (func (export "cabi_post_examples:tools/tool@0.1.0#describe") (param i32)
    (global.set $heap (i32.const 1024)))

  ;; The result: 0 and a text, or 1, 0 (invalid input) and a text.
  (func (export "examples:tools/tool@0.1.0#call") (param i32) (param $at i32) (param $len i32) (result i32)
    (if (result i32) (i32.gt_u (local.get $len) (i32.const 2))
      (then
        (i32.store (i32.const 220) (i32.const 0))
        (i32.store (i32.const 224) (local.get $at))
        (i32.store (i32.const 228) (local.get $len))
        (i32.const 220))
      (else
        (i32.store (i32.const 220) (i32.const 1))
        (i32.store (i32.const 224) (i32.const 0))
        (i32.store (i32.const 228) (i32.const 768))
        (i32.store (i32.const 232) (i32.const 32))
        (i32.const 220))))
  (func (export "cabi_post_examples:tools/tool@0.1.0#call") (param i32)
    (global.set $heap (i32.const 1024))))
