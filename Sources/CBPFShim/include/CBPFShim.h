#include "sk_reuseport_layout.h"
