//! What [`export!`](crate::export) writes for a native library, and for a linked crate.

/// A native library: a header in its own section, and the entry symbol.
#[cfg(not(feature = "linked"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    (($plugin:ident) $kinds:tt) => {
        $crate::__native_kinds!($plugin $kinds);

        // SAFETY: nothing else defines this symbol, and the section holds nothing else.
        #[unsafe(export_name = "plugbay_abi")]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__plugbay"))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".plugbay"))]
        pub static PLUGBAY_ABI: $crate::__private::Header = $crate::__private::Header::CURRENT;

        // SAFETY: nothing else defines this symbol.
        #[unsafe(export_name = "plugbay_entry_v2")]
        pub extern "C" fn plugbay_entry() -> *const $crate::__private::Vtable {
            static VTABLE: $crate::__private::Vtable =
                $crate::__private::vtable::<$crate::__private::Native<$plugin>>();
            &raw const VTABLE
        }
    };
}

/// A linked crate: a registration that the host finds when it starts.
#[cfg(feature = "linked")]
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    (($plugin:ident) $kinds:tt) => {
        $crate::__native_kinds!($plugin $kinds);

        $crate::__private::inventory::submit! {
            $crate::__private::Linked::new::<$crate::__private::Native<$plugin>>()
        }
    };
}

/// The list of a native plugin's kinds.
#[doc(hidden)]
#[macro_export]
macro_rules! __native_kinds {
    ($plugin:ident [$($kind:ident)*]) => {
        impl $crate::__private::NativeKinds for $plugin {
            const KINDS: &'static [$crate::__private::NativeKind] =
                &[$($crate::__kind!($kind native $plugin)),*];
        }
    };
}
