"""Questions to PostgreSQL's catalog, for describing a database."""

# Of each schema but the system's, without what extensions brought and without partitions.
TABLES = """
select c.oid::bigint, case when n.nspname = current_schema() then '' else n.nspname end,
    c.relname, c.relkind::text, obj_description(c.oid, 'pg_class')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and n.nspname not in ('information_schema', 'pg_toast') and n.nspname not like 'pg\\_%'
    and (cardinality($1::text[]) = 0 or n.nspname = any($1))
    and c.relname not like 'abaft\\_%'
    and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass
        and d.objid = c.oid and d.deptype = 'e')
order by n.nspname <> current_schema(), n.nspname, c.oid
"""
TYPES = """
select t.oid::bigint, format_type(t.oid, null), t.typtype::text, t.typbasetype::bigint,
    t.typtypmod, case when t.typcategory = 'A' then t.typelem::bigint else 0 end, t.typnotnull,
    t.typdefault is not null, array(
        select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder
    )
from pg_type t where t.typtype in ('b', 'd', 'e', 'r', 'm', 'c')
"""
COLUMNS = """
select a.attrelid::bigint, a.attname, a.atttypid::bigint, a.atttypmod, a.attnotnull,
    a.atthasdef, a.attidentity::text, a.attgenerated::text, col_description(a.attrelid, a.attnum),
    a.attcollation = 0 or l.collname in ('C', 'POSIX', 'C.utf8', 'C.UTF-8', 'ucs_basic',
        'pg_c_utf8') or (l.collname = 'default' and 'a' > 'B' collate "default"),
    format_type(a.atttypid, a.atttypmod), coalesce(l.collisdeterministic, true)
from pg_attribute a left join pg_collation l on l.oid = a.attcollation
where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""
INDEXES = """
select x.indrelid::bigint, x.indisprimary, array(
    select a.attname::text from unnest(x.indkey) with ordinality k(number, place)
    join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.number
    where k.place <= x.indnkeyatts order by k.place
)
from pg_index x
where x.indrelid = any($1::oid[]) and x.indisunique and x.indpred is null
    and x.indexprs is null and x.indimmediate and x.indisvalid
order by x.indisprimary desc, x.indexrelid
"""
TRIGGERS = """
select distinct t.tgrelid::bigint from pg_trigger t
where t.tgrelid = any($1::oid[]) and not t.tgisinternal and (t.tgtype & 7) = 7
"""
FOREIGN_KEYS = """
select k.conrelid::bigint, k.confrelid::bigint, k.confdeltype::text,
    array(select a.attname::text from unnest(k.conkey) with ordinality c(number, place)
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.number order by c.place),
    array(select a.attname::text from unnest(k.confkey) with ordinality c(number, place)
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = c.number order by c.place)
from pg_constraint k
where k.contype = 'f' and k.conrelid = any($1::oid[]) and k.conparentid = 0
order by k.conrelid, k.oid
"""
