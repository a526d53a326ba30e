/*
 * The grammar of events as tables.  The parser and the formatter walk the same
 * rows, so what one writes the other reads: a new event, flag or key is a row
 * here and nothing else in traces/.
 *
 * An event is its operands in order, then flags and keys in any order, then a
 * result if the event has one.
 */
#pragma once

#include "traces/trace.h"

enum trace_operand {
    TRACE_OPERAND_END,
    TRACE_OPERAND_BIND,      // a region name that the event binds
    TRACE_OPERAND_ADDRESS,   // event.address
    TRACE_OPERAND_SIZE,      // event.length
    TRACE_OPERAND_NEW_SIZE,  // detail.new_length
    TRACE_OPERAND_PAGE,      // detail.file_offset, a number
    TRACE_OPERAND_NUMBER,    // event.length
    TRACE_OPERAND_UID,       // event.length
    TRACE_OPERAND_COUNT,     // event.length, at least 1
    TRACE_OPERAND_PROT,      // event.prot
    TRACE_OPERAND_ADVICE,    // event.advice
    TRACE_OPERAND_STRING,    // event.object
    TRACE_OPERAND_NEW_FILE,  // event.object
    TRACE_OPERAND_NEW_TASK,  // event.object
    TRACE_OPERAND_TASK,      // event.object, a living task
    TRACE_OPERAND_ANY_TASK,  // event.object, it may have exited; optional
};

struct trace_syntax {
    enum trace_operand operands[4];  // up to TRACE_OPERAND_END
    bool of_machine;                 // task 0 and no other
    bool has_result;
    bool has_time;  // it takes time, so a timed trace has its start
};

/* A word that sets a flag, or states that it is absent. */
struct trace_flag_word {
    const char *word;
    uint32_t flag;
    bool is_absence;  // the word says that the flag is not set
    bool is_written;  // canonical text has this word where it is true
    uint64_t ops;     // bit per enum trace_op
};

enum trace_value {
    TRACE_VALUE_AT,       // detail.at
    TRACE_VALUE_FILE,     // event.object
    TRACE_VALUE_OFF,      // detail.file_offset
    TRACE_VALUE_AS,       // the region that mremap binds
    TRACE_VALUE_STRIDE,   // detail.stride
    TRACE_VALUE_COMM,     // detail.comm
    TRACE_VALUE_UID,      // detail.key[key], a uid
    TRACE_VALUE_ADDRESS,  // detail.key[key], a number
    TRACE_VALUE_SIZE,     // detail.key[key], a size
};

struct trace_key_word {
    const char *word;
    enum trace_value value;
    enum trace_key key;  // of the last three values
    uint64_t ops;
};

#define TRACE_OP_BIT(op) (UINT64_C(1) << (op))
#define TRACE_UID_MAX    (UINT32_MAX - 1)  // (uid_t)-1 means "no change"

extern const struct trace_syntax trace_syntax[TRACE_OP_COUNT];
extern const struct trace_flag_word trace_flag_words[];  // until word is NULL
extern const struct trace_key_word trace_key_words[];    // until word is NULL

/* Positive errno of a name like ENOMEM, 0: unknown.  And back; NULL: unknown.
 */
int trace_errno_number(const char *name, size_t length);
const char *trace_errno_name(int error);
