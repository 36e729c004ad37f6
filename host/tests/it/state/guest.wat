;; The codec of `guest.wit`, by hand. `encode` of nothing adds 1 to the key `n` of the bucket `x`, and answers with the
;; sum as one digit; of `!`, it traps after that. Of anything else it sets the key of this name to its name, and answers
;; with the number of keys as one digit. A refusal is answered with its text, and a missing grant with "denied".
(module
  (import "wasi:keyvalue/store@0.2.0-draft" "open" (func $open (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.list-keys"
    (func $list (param i32 i32 i64 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.set" (func $set (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[resource-drop]bucket" (func $drop (param i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft" "increment" (func $increment (param i32 i32 i32 i64 i32)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 1024))
  (data (i32.const 64) "codecstate1.0.0xndenied")
  ;; The capability: kind, name, description, media types, routes, as addresses and counts.
  (data (i32.const 96) "\40\00\00\00\05\00\00\00\45\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  ;; The description: name, version, description, capabilities, no schema.
  (data (i32.const 136) "\45\00\00\00\05\00\00\00\4a\00\00\00\05\00\00\00\40\00\00\00\00\00\00\00\60\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")

  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.const 0x10000)) (then unreachable))
    (local.get $at))

  (func (export "plugbay:plugin/lifecycle@1.0.0#describe") (result i32) (i32.const 136))
  ;; Zeros are a result without an error.
  (func (export "plugbay:plugin/lifecycle@1.0.0#init") (param i32 i32) (result i32) (i32.const 16))
  (func (export "plugbay:plugin/lifecycle@1.0.0#health") (result i32) (i32.const 16))
  (func (export "plugbay:plugin/lifecycle@1.0.0#shutdown"))

  ;; A successful result with these bytes, at 256.
  (func $answer (param $at i32) (param $size i32) (result i32)
    (i64.store (i32.const 256) (i64.const 0))
    (i32.store offset=4 (i32.const 256) (local.get $at))
    (i32.store offset=8 (i32.const 256) (local.get $size))
    (i32.const 256))

  ;; One digit.
  (func $digit (param $number i32) (result i32)
    (i32.store8 (i32.const 320) (i32.add (local.get $number) (i32.const 0x30)))
    (call $answer (i32.const 320) (i32.const 1)))

  ;; The text of the error at this address: its case, and the text's address and length.
  (func $refused (param $error i32) (result i32)
    (if (i32.eq (i32.load8_u (local.get $error)) (i32.const 1))
      (then (return (call $answer (i32.const 81) (i32.const 6)))))
    (call $answer (i32.load offset=4 (local.get $error)) (i32.load offset=8 (local.get $error))))

  ;; Opens the bucket; its handle, or -1.
  (func $bucket (result i32)
    (call $open (i32.const 79) (i32.const 1) (i32.const 384))
    (select (i32.const -1) (i32.load offset=4 (i32.const 384)) (i32.load8_u (i32.const 384))))

  (func (export "plugbay:plugin/codec@1.0.0#encode") (param i32) (param $at i32) (param $size i32) (result i32)
    (local $bucket i32)
    (local $traps i32)
    (local.set $bucket (call $bucket))
    (if (i32.eq (local.get $bucket) (i32.const -1))
      (then (return (call $refused (i32.const 388)))))
    (if (local.get $size)
      (then (local.set $traps (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x21)))))
    (if (i32.or (i32.eqz (local.get $size)) (local.get $traps)) (then
      (call $increment (local.get $bucket) (i32.const 80) (i32.const 1) (i64.const 1) (i32.const 448))
      (if (local.get $traps) (then unreachable))
      (call $drop (local.get $bucket))
      (if (i32.load8_u (i32.const 448)) (then (return (call $refused (i32.const 456)))))
      (return (call $digit (i32.load offset=8 (i32.const 448))))))
    (call $set (local.get $bucket) (local.get $at) (local.get $size) (local.get $at) (local.get $size) (i32.const 448))
    (call $list (local.get $bucket) (i32.const 0) (i64.const 0) (i32.const 512))
    (call $drop (local.get $bucket))
    (if (i32.load8_u (i32.const 448)) (then (return (call $refused (i32.const 452)))))
    (call $digit (i32.load offset=12 (i32.const 512))))

  (func (export "plugbay:plugin/codec@1.0.0#decode") (param i32 i32 i32) (result i32) unreachable))
