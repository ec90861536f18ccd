/* libnvidia-ml.so.1 as a scripted machine: the calls quantpick makes, with NVML's own structures and return codes.

   The file named by NVML_SCRIPT holds one statement a line. `gpu` and `instance` begin a device; what follows is about
   that device, what comes before the first is about the machine. Sizes are MiB, except -1: not available.

       driver TEXT | cuda VERSION | gpu NAME | instance NAME (of the last gpu, which has MIG on) | uuid TEXT
       capability MAJOR MINOR | memory TOTAL RESERVED USED | cores COUNT | clock MHZ | mig MODE | ids GI CI
       compute PID SIZE NAME | graphics PID SIZE NAME | fail FUNCTION CODE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, MISMATCH = 25 };
enum { MAX_DEVICES = 16, MAX_PROCESSES = 8, MAX_FAILURES = 16 };

typedef unsigned int uint;
typedef unsigned long long bytes;
typedef struct { bytes total, free, used; } memory_v1;
typedef struct { uint version; bytes total, reserved, free, used; } memory_v2;
typedef struct { uint pid; bytes used; uint gpu_instance, compute_instance; } process_info;

typedef struct { uint pid; long long mib; int is_graphics; char name[128]; } process;
typedef struct { char function[64]; int code; } failure;
typedef struct device {
    char name[96], uuid[96];
    struct device *parent;
    int major, minor, cores, clock, mig, gpu_instance, compute_instance;
    bytes total, reserved, used;
    process processes[MAX_PROCESSES];
    int process_count;
    failure failures[MAX_FAILURES];
    int failure_count;
} device;

static device machine, devices[MAX_DEVICES];
static int device_count, cuda_version;
static char driver[80];

static void text(const char *line, const char *keyword, char *into, size_t size) {
    size_t length = strlen(keyword);
    if (strncmp(line, keyword, length) == 0 && line[length] == ' ') snprintf(into, size, "%s", line + length + 1);
}

static void read_line(const char *line) {
    device *now = device_count ? &devices[device_count - 1] : &machine;
    if (strncmp(line, "gpu ", 4) == 0 || strncmp(line, "instance ", 9) == 0) {
        device *last = device_count ? (now->parent ? now->parent : now) : NULL;
        if (device_count == MAX_DEVICES) abort();
        now = &devices[device_count++];
        now->parent = line[0] == 'i' ? last : NULL;
        text(line, "gpu", now->name, sizeof now->name);
        text(line, "instance", now->name, sizeof now->name);
    }
    text(line, "driver", driver, sizeof driver);
    text(line, "uuid", now->uuid, sizeof now->uuid);
    sscanf(line, "cuda %d", &cuda_version);
    sscanf(line, "capability %d %d", &now->major, &now->minor);
    sscanf(line, "memory %llu %llu %llu", &now->total, &now->reserved, &now->used);
    sscanf(line, "cores %d", &now->cores);
    sscanf(line, "clock %d", &now->clock);
    sscanf(line, "mig %d", &now->mig);
    sscanf(line, "ids %d %d", &now->gpu_instance, &now->compute_instance);
    process *next = &now->processes[now->process_count % MAX_PROCESSES];
    int graphics = sscanf(line, "graphics %u %lld %127[^\n]", &next->pid, &next->mib, next->name) == 3;
    if (graphics || sscanf(line, "compute %u %lld %127[^\n]", &next->pid, &next->mib, next->name) == 3) {
        next->is_graphics = graphics;
        now->process_count++;
    }
    failure *broken = &now->failures[now->failure_count % MAX_FAILURES];
    if (sscanf(line, "fail %63s %d", broken->function, &broken->code) == 2) now->failure_count++;
}

static int scripted(const device *about, const char *function) {
    for (int at = 0; at < about->failure_count; at++)
        if (strcmp(about->failures[at].function, function) == 0) return about->failures[at].code;
    return SUCCESS;
}

#define ENTER(about) do { int code = scripted(about, __func__); if (code) return code; } while (0)

int nvmlInitWithFlags(uint flags) {
    char line[256];
    (void)flags;
    memset(&machine, 0, sizeof machine);
    memset(devices, 0, sizeof devices);
    device_count = 0;
    FILE *script = fopen(getenv("NVML_SCRIPT"), "r");
    if (script == NULL) abort();
    while (fgets(line, sizeof line, script)) {
        line[strcspn(line, "\n")] = 0;
        read_line(line);
    }
    fclose(script);
    ENTER(&machine);
    return SUCCESS;
}

int nvmlShutdown(void) { ENTER(&machine); return SUCCESS; }

const char *nvmlErrorString(int code) {
    static char said[32];
    snprintf(said, sizeof said, "NVML code %d", code);
    return said;
}

static int copy(const char *from, char *into, uint size) {
    if (from[0] == 0) return NOT_SUPPORTED;
    if (strlen(from) >= size) return INSUFFICIENT_SIZE;
    strcpy(into, from);
    return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *into, uint size) { ENTER(&machine); return copy(driver, into, size); }

int nvmlSystemGetCudaDriverVersion_v2(int *version) { ENTER(&machine); *version = cuda_version; return SUCCESS; }

int nvmlSystemGetProcessName(uint pid, char *into, uint size) {
    ENTER(&machine);
    for (int at = 0; at < device_count; at++)
        for (int of = 0; of < devices[at].process_count; of++)
            if (devices[at].processes[of].pid == pid) return copy(devices[at].processes[of].name, into, size);
    return NOT_FOUND;
}

static device *nth(const device *parent, uint index) {
    for (int at = 0; at < device_count; at++)
        if (devices[at].parent == parent && index-- == 0) return &devices[at];
    return NULL;
}

int nvmlDeviceGetCount_v2(uint *count) {
    ENTER(&machine);
    for (*count = 0; nth(NULL, *count); ++*count);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(uint index, device **handle) {
    *handle = nth(NULL, index);
    if (*handle == NULL) return INVALID_ARGUMENT;
    ENTER(*handle);
    return SUCCESS;
}

int nvmlDeviceGetName(device *on, char *into, uint size) { ENTER(on); return copy(on->name, into, size); }
int nvmlDeviceGetUUID(device *on, char *into, uint size) { ENTER(on); return copy(on->uuid, into, size); }

int nvmlDeviceGetCudaComputeCapability(device *on, int *major, int *minor) {
    ENTER(on);
    *major = on->major;
    *minor = on->minor;
    return on->major ? SUCCESS : NOT_SUPPORTED;
}

static const bytes MIB = 1024 * 1024;

int nvmlDeviceGetMemoryInfo(device *on, memory_v1 *info) {
    ENTER(on);
    info->total = on->total * MIB;
    info->used = (on->reserved + on->used) * MIB;
    info->free = info->total - info->used;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(device *on, memory_v2 *info) {
    ENTER(on);
    if (info->version != (sizeof *info | 2 << 24)) return MISMATCH;
    info->total = on->total * MIB;
    info->reserved = on->reserved * MIB;
    info->used = on->used * MIB;
    info->free = info->total - info->reserved - info->used;
    return SUCCESS;
}

static int list(const device *on, int graphics, uint *count, process_info *infos) {
    uint room = *count;
    *count = 0;
    for (int at = 0; at < on->process_count; at++) {
        const process *one = &on->processes[at];
        if (one->is_graphics != graphics) continue;
        if (*count < room && infos != NULL)
            infos[*count] = (process_info){one->pid, one->mib < 0 ? ~0ULL : one->mib * MIB, ~0U, ~0U};
        ++*count;
    }
    return *count > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(device *on, uint *count, process_info *infos) {
    ENTER(on);
    return list(on, 0, count, infos);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(device *on, uint *count, process_info *infos) {
    ENTER(on);
    return list(on, 1, count, infos);
}

int nvmlDeviceGetNumGpuCores(device *on, uint *cores) { ENTER(on); *cores = on->cores; return SUCCESS; }

int nvmlDeviceGetMaxClockInfo(device *on, int type, uint *mhz) {
    ENTER(on);
    *mhz = on->clock;
    return type == 1 ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlDeviceGetMigMode(device *on, uint *current, uint *pending) {
    ENTER(on);
    *current = *pending = on->mig > 0;
    return on->mig < 0 ? NOT_SUPPORTED : SUCCESS;
}

int nvmlDeviceGetMaxMigDeviceCount(device *on, uint *count) { ENTER(on); *count = 7; return SUCCESS; }

int nvmlDeviceGetMigDeviceHandleByIndex(device *on, uint index, device **handle) {
    ENTER(on);
    *handle = nth(on, index);
    return *handle ? scripted(*handle, __func__) : NOT_FOUND;
}

int nvmlDeviceGetGpuInstanceId(device *on, uint *id) { ENTER(on); *id = on->gpu_instance; return SUCCESS; }
int nvmlDeviceGetComputeInstanceId(device *on, uint *id) { ENTER(on); *id = on->compute_instance; return SUCCESS; }
