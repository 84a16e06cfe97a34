"""Names of models and tensors as C identifiers, and texts for C comments."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_LONGEST: Final = 40  # characters of an identifier
_LONGEST_COMMENT: Final = 120
# What a model cannot be called: the keywords of C and C++, the library of C, entries of programs.
_TAKEN: Final = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
    char32_t class compl concept const const_cast consteval constexpr constinit continue
    co_await co_return co_yield decltype default delete double dynamic_cast else enum explicit
    export extern false final float for friend goto if import inline int long module mutable
    namespace new noexcept not not_eq nullptr operator or or_eq override private protected
    public register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch template this thread_local throw true try typedef
    typeid typename typeof union unsigned using virtual void volatile wchar_t while xor xor_eq

    abort accept access acos acosh alarm arena asctime asin asinh assert atan atan2 atanh atexit
    atof atoi atol atoll bcmp bcopy bind brk bsearch bzero calloc cbrt ceil cimag clearerr clock
    close complex conj connect copysign cos cosh creal creat ctime difftime div dup environ erf
    erfc errno execl execv exit exp exp2 expm1 fabs fclose fdim feof ferror fflush fgetc fgetpos
    fgets floor fmax fmin fmod fopen fork fprintf fputc fputs fread free freopen frexp fscanf
    fseek fsetpos ftell fwrite gamma getc getchar getenv getpid gets gmtime hypot ilogb imag
    index ioctl isalnum isalpha isascii isatty isblank iscntrl isdigit isgraph isinf islower
    isnan isprint ispunct isspace isupper isxdigit kill labs ldexp ldiv lgamma link linux listen
    llabs lldiv llrint llround localeconv localtime log log10 log1p log2 logb longjmp loop lrint
    lround lseek main malloc mblen mbtowc memccpy memchr memcmp memcpy memmove memset mktime
    modf nan nearbyint nextafter null offsetof open pause perror pipe poll posix printf pow putc
    putchar puts qsort quick_exit raise rand read real realloc recv remainder remove remquo
    rename rewind rindex rint round sbrk scalb scalbn scanf select send setbuf setjmp setlocale
    setup setvbuf shutdown signal significand sin sincos sinh sleep snprintf socket sprintf sqrt
    srand sscanf stat stderr stdin stdout stpcpy strcasecmp strcat strchr strcmp strcoll strcpy
    strcspn strdup strerror strftime strlen strncat strncmp strncpy strndup strop strpbrk
    strrchr strspn strstr strtod strtof strtok strtol strtold strtoll strtoul strtoull strxfrm
    system tan tanh tgamma time times tmpfile tmpnam toascii tolower toupper trunc ungetc unix
    unlink va_arg va_copy va_end va_list va_start vfprintf vprintf vsnprintf vsprintf wait
    wcscat wcschr wcscmp wcscpy wcslen wctomb write
    """.split()  # noqa: SIM905  a list would be 300 lines
)
# Headers of C libraries, Arduino and FreeRTOS: a model's own would be included in their place.
_HEADERS: Final = frozenset(
    """
    aio aliases alloca ar argp argz assert builtins byteswap complex cpio cpuid crypt ctype dirent
    dlfcn elf endian envz err errno error execinfo fcntl features fenv float fmtmsg fnmatch fpregdef
    fpu_control fstab fts ftw gconv getopt glob grp gshadow iconv ieee754 ieeefp ifaddrs inttypes
    iso646 langinfo
    lastlog libgen libintl limits link locale malloc math mcheck memory mntent monetary mqueue
    netdb newlib nl_types nss obstack paths poll printf proc_service pthread pty pwd re_comp reent
    regdef regex regexp resolv sched search semaphore setjmp sgidefs sgtty shadow signal spawn stab
    stdalign stdarg stdatomic stdbit stdbool stdckdint stdcountof stddef stdint stdio stdio_ext
    stdlib stdnoreturn string strings stropts syscall sysexits syslog tar termios tgmath
    thread_db threads time ttyent uchar ucontext ulimit unistd unwind utime utmp utmpx values
    varargs wait wchar wctype wordexp

    api arduino arm_acle arm_cmse arm_mve arm_neon binary client common eeprom hardwareserial
    ipaddress keyboard list mouse pins_arduino portable portmacro print printable queue
    riscv_vector semphr server servo spi stream task timers tone udp usbapi wcharacter wifi wire
    wiring wiring_private wstring
    """.split()  # noqa: SIM905
)
# What generated code itself calls its constants and variables.
_OWN: Final = re.compile(
    r"arena|arrays|axes_\d+_\d+|best|check|ended|inputs|main|model|outputs?|(read|write)_byte"
    r"|(axes|bias|input|layer|mean|multipliers|output|pair|shifts|table|values|weights|window)_\d+"
)
# What a model's own names end in, also those of its array for TensorFlow Lite for Microcontrollers.
_RESERVED: Final = ("run", "golden", "arena", "model", "model_len")


def model_identifier(name: str) -> str:
    """Return the prefix of all names in the code of a model: `mnist_mlp` of `mnist-mlp`.

    It is lower-case ASCII, begins with a letter, and is no keyword, no type, function or header
    of a library, and no other name of the code.
    """
    made = _ascii(name) or "net"
    if not made[0].isalpha():
        made = f"net_{made}"
    if len(made) < 4 or made in _HEADERS or _is_taken(made):
        made += "_model"
    return made


def tensor_identifiers(prefix: str, names: Iterable[str]) -> list[str]:
    """Return distinct identifiers for the inputs and outputs of a model, in their order.

    Args:
        prefix: the model's, which each follows after "_"; both together are not taken either.
        names: of the tensors. Two that come out the same get numbers.
    """
    found: list[str] = []
    for name in names:
        made = stem = _ascii(name) or "tensor"
        if _is_taken(f"{prefix}_{stem}"):  # uint8 and t, weights and 1
            made = stem = f"{stem}_tensor"
        count = 1
        while made in found or made in _RESERVED:
            count += 1
            made = f"{stem}_{count}"
        found.append(made)
    return found


def comment(text: str) -> str:
    """Return a text that stays inside a C comment, whatever it holds."""
    # No end or begin of a comment, no trigraph, no backslash that continues a line.
    return "".join(
        "." if c in "*?\\" or not c.isprintable() else c for c in text[:_LONGEST_COMMENT]
    )


def string(text: str) -> str:
    """Return a C string literal of the bytes of a text in UTF-8."""
    plain = (f"\\{byte:03o}" if _is_escaped(byte) else chr(byte) for byte in text.encode())
    return f'"{"".join(plain)}"'


def shape(dims: Sequence[int]) -> str:
    """Return a shape as comments show it: (28, 28), (50), ()."""
    return f"({', '.join(map(str, dims))})"


def _is_escaped(byte: int) -> bool:
    return not 0x20 <= byte < 0x7F or chr(byte) in '"\\?'  # two ? may begin a trigraph


def _is_taken(made: str) -> bool:
    """Tell whether a library or generated code itself has an identifier."""
    ours = made.startswith("strop_") or _OWN.fullmatch(made) is not None
    return made in _TAKEN or made.endswith("_t") or ours


def _ascii(name: str) -> str:
    """Return the letters, digits and single "_" of a name, without accents, in lower case."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST].rstrip("_")
