#include "app/migrations.h"

#include "billing/schema.h"
#include "introducer/records.h"
#include "service/schema.h"
#include "storage/schema.h"
#include "tenants/directory.h"

namespace s4::app {

std::vector<sql::Migration> all_migrations() {
    std::vector<sql::Migration> out;
    for (const auto folder : {tenants::migrations(), introducer::migrations(),
                              storage::migrations(), billing::migrations(), service::migrations()})
        out.insert(out.end(), folder.begin(), folder.end());
    return out;
}

}  // namespace s4::app
