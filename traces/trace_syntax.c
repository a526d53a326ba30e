/*
 * The tables of trace_syntax.h, and the words of the enums of trace.h.
 */
#include "traces/trace_syntax.h"

#include <string.h>

/* clang-format off */
#define OPERANDS(...)                                                          \
    .operands = {__VA_ARGS__}
#define RANGE_CALL                                                             \
    {OPERANDS(TRACE_OPERAND_ADDRESS, TRACE_OPERAND_SIZE),                      \
     .has_result = true, .has_time = true}
#define DURATION                                                               \
    {OPERANDS(TRACE_OPERAND_NUMBER), .has_time = true}
#define BIRTH                                                                  \
    {OPERANDS(TRACE_OPERAND_NEW_TASK), .has_result = true, .has_time = true}
#define BARE                                                                   \
    {.has_time = true}

const struct trace_syntax trace_syntax[TRACE_OP_COUNT] = {
    [TRACE_OP_FILE] = {OPERANDS(TRACE_OPERAND_NEW_FILE, TRACE_OPERAND_SIZE),
                       .of_machine = true},
    [TRACE_OP_EXPECT] = {OPERANDS(TRACE_OPERAND_STRING, TRACE_OPERAND_NUMBER),
                         .of_machine = true},
    [TRACE_OP_HOG] = {OPERANDS(TRACE_OPERAND_SIZE), .of_machine = true},
    [TRACE_OP_START] = {.has_time = false},
    [TRACE_OP_MMAP] = {OPERANDS(TRACE_OPERAND_BIND, TRACE_OPERAND_SIZE,
                                TRACE_OPERAND_PROT),
                       .has_result = true, .has_time = true},
    [TRACE_OP_MAP] = {OPERANDS(TRACE_OPERAND_BIND, TRACE_OPERAND_SIZE,
                               TRACE_OPERAND_PROT)},
    [TRACE_OP_MUNMAP] = RANGE_CALL,
    [TRACE_OP_MPROTECT] = {OPERANDS(TRACE_OPERAND_ADDRESS, TRACE_OPERAND_SIZE,
                                    TRACE_OPERAND_PROT),
                           .has_result = true, .has_time = true},
    [TRACE_OP_MREMAP] = {OPERANDS(TRACE_OPERAND_ADDRESS, TRACE_OPERAND_SIZE,
                                  TRACE_OPERAND_NEW_SIZE),
                         .has_result = true, .has_time = true},
    [TRACE_OP_MADVISE] = {OPERANDS(TRACE_OPERAND_ADDRESS, TRACE_OPERAND_SIZE,
                                   TRACE_OPERAND_ADVICE),
                          .has_result = true, .has_time = true},
    [TRACE_OP_BRK] = {OPERANDS(TRACE_OPERAND_SIZE),
                      .has_result = true, .has_time = true},
    [TRACE_OP_VRANGE] = RANGE_CALL,
    [TRACE_OP_PURGE] = RANGE_CALL,
    [TRACE_OP_REUSE] = RANGE_CALL,
    [TRACE_OP_GUARD] = RANGE_CALL,
    [TRACE_OP_MLOCK] = RANGE_CALL,
    [TRACE_OP_MUNLOCK] = RANGE_CALL,
    [TRACE_OP_REMAP_FILE_PAGES] = {OPERANDS(TRACE_OPERAND_ADDRESS,
                                            TRACE_OPERAND_SIZE,
                                            TRACE_OPERAND_PAGE),
                                   .has_result = true, .has_time = true},
    [TRACE_OP_READ] = RANGE_CALL,
    [TRACE_OP_WRITE] = RANGE_CALL,
    [TRACE_OP_EXECUTE] = RANGE_CALL,
    [TRACE_OP_FORK] = BIRTH,
    [TRACE_OP_VFORK] = BIRTH,
    [TRACE_OP_THREAD] = BIRTH,
    [TRACE_OP_EXEC] = {OPERANDS(TRACE_OPERAND_STRING),
                       .has_result = true, .has_time = true},
    [TRACE_OP_EXIT] = BARE,
    [TRACE_OP_EXIT_GROUP] = BARE,
    [TRACE_OP_WAIT] = {OPERANDS(TRACE_OPERAND_ANY_TASK),
                       .has_result = true, .has_time = true},
    [TRACE_OP_SETUID] = {OPERANDS(TRACE_OPERAND_UID),
                         .has_result = true, .has_time = true},
    [TRACE_OP_PTRACE] = {OPERANDS(TRACE_OPERAND_TASK),
                         .has_result = true, .has_time = true},
    [TRACE_OP_WORK] = DURATION,
    [TRACE_OP_KWORK] = DURATION,
    [TRACE_OP_SLEEP] = DURATION,
    [TRACE_OP_MARK] = {OPERANDS(TRACE_OPERAND_STRING)},
    [TRACE_OP_BARRIER] = {OPERANDS(TRACE_OPERAND_STRING, TRACE_OPERAND_COUNT),
                          .has_time = true},
};

#define ON(name)   TRACE_OP_BIT(TRACE_OP_##name)
#define ON_MMAP    ON(MMAP)
#define ON_MAPS    (ON(MMAP) | ON(MAP))
#define ON_TOUCHES (ON(READ) | ON(WRITE) | ON(EXECUTE))
#define ON_IMAGES  (ON(START) | ON(EXEC))

const struct trace_flag_word trace_flag_words[] = {
    {"anon", TRACE_ANON, false, true, ON_MAPS},
    {"private", TRACE_SHARED, true, true, ON_MAPS},
    {"shared", TRACE_SHARED, false, true, ON_MAPS},
    {"nozero", TRACE_NOZERO, false, true, ON_MAPS | ON(BRK)},
    {"noreserve", TRACE_NORESERVE, false, true, ON_MAPS},
    {"populate", TRACE_POPULATE, false, true, ON_MMAP},
    {"locked", TRACE_LOCKED, false, true, ON_MMAP},
    {"stack", TRACE_STACK, false, true, ON_MAPS},
    {"growsdown", TRACE_GROWSDOWN, false, true, ON_MAPS},
    {"fixed", TRACE_FIXED, false, true, ON_MAPS | ON(MREMAP)},
    {"fixed-noreplace", TRACE_FIXED_NOREPLACE, false, true, ON_MMAP},
    {"maymove", TRACE_MAYMOVE, false, true, ON(MREMAP)},
    {"dontunmap", TRACE_DONTUNMAP, false, true, ON(MREMAP)},
    {"kernel", TRACE_KERNEL, false, true, ON_TOUCHES},
    {"gup", TRACE_GUP, false, true, ON_TOUCHES},
    {"volatile", TRACE_VOLATILE, false, true, ON(VRANGE)},
    {"novolatile", TRACE_VOLATILE, true, true, ON(VRANGE)},
    {"full", TRACE_PARTIAL, true, true, ON(VRANGE)},
    {"partial", TRACE_PARTIAL, false, true, ON(VRANGE)},
    {"disk", TRACE_SHMEM, true, false, ON(FILE)},
    {"shmem", TRACE_SHMEM, false, true, ON(FILE)},
    {"cached", TRACE_COLD, true, false, ON(FILE)},
    {"cold", TRACE_COLD, false, true, ON(FILE)},
    {.word = NULL},
};

const struct trace_key_word trace_key_words[] = {
    {"at", TRACE_VALUE_AT, 0, ON_MAPS | ON(MREMAP)},
    {"file", TRACE_VALUE_FILE, 0, ON_MAPS},
    {"off", TRACE_VALUE_OFF, 0, ON_MAPS},
    {"as", TRACE_VALUE_AS, 0, ON(MREMAP)},
    {"stride", TRACE_VALUE_STRIDE, 0, ON_TOUCHES},
    {"uid", TRACE_VALUE_UID, TRACE_KEY_UID, ON(START)},
    {"comm", TRACE_VALUE_COMM, 0, ON(START)},
    {"mmap-base", TRACE_VALUE_ADDRESS, TRACE_KEY_MMAP_BASE, ON_IMAGES},
    {"brk", TRACE_VALUE_ADDRESS, TRACE_KEY_BRK, ON_IMAGES},
    {"stack", TRACE_VALUE_ADDRESS, TRACE_KEY_STACK, ON_IMAGES},
    {"rlimit-stack", TRACE_VALUE_SIZE, TRACE_KEY_RLIMIT_STACK, ON_IMAGES},
    {"rlimit-memlock", TRACE_VALUE_SIZE, TRACE_KEY_RLIMIT_MEMLOCK, ON_IMAGES},
    {"rlimit-as", TRACE_VALUE_SIZE, TRACE_KEY_RLIMIT_AS, ON_IMAGES},
    {.word = NULL},
};

/* Linux's numbers of every architecture that matters here, not the host's. */
static const char *const errno_names[] = {
    NULL, "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG",
    "ENOEXEC", "EBADF", "ECHILD", "EAGAIN", "ENOMEM", "EACCES", "EFAULT",
    "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR", "EISDIR",
    "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC",
    "ESPIPE", "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK",
    "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP",
    [61] = "ENODATA", [62] = "ETIME", [71] = "EPROTO", [74] = "EBADMSG",
    [75] = "EOVERFLOW", [77] = "EBADFD", [80] = "ELIBBAD", [84] = "EILSEQ",
    [87] = "EUSERS", [95] = "EOPNOTSUPP", [105] = "ENOBUFS",
    [110] = "ETIMEDOUT", [114] = "EALREADY", [115] = "EINPROGRESS",
    [116] = "ESTALE", [122] = "EDQUOT", [125] = "ECANCELED",
    [133] = "EHWPOISON",
};
/* clang-format on */

int
trace_errno_number(const char *name, size_t length)
{
    for (size_t i = 0; i < G_N_ELEMENTS(errno_names); i++) {
        const char *known = errno_names[i];
        if (known && strlen(known) == length &&
            memcmp(known, name, length) == 0)
            return (int)i;
    }
    return 0;
}

const char *
trace_errno_name(int error)
{
    if (error < 0 || (size_t)error >= G_N_ELEMENTS(errno_names))
        return NULL;
    return errno_names[error];
}

#define WORD(name, word) word,

const char *
trace_op_word(enum trace_op op)
{
    static const char *const words[] = {TRACE_OPS(WORD)};
    return words[op];
}

const char *
trace_advice_word(enum trace_advice advice)
{
    static const char *const words[] = {TRACE_ADVICES(WORD)};
    return words[advice];
}

const char *
trace_outcome_word(enum trace_outcome outcome)
{
    static const char *const words[] = {TRACE_OUTCOMES(WORD)};
    return words[outcome];
}
