#ifndef STORAGE_SCHEMA_H
#define STORAGE_SCHEMA_H

extern const char account_schema[];

#endif
