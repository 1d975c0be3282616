-- title: Schools
-- about: The schools of this store: id, name, time zone, mode, notice date and the sizes of the groups of staff that may be shown.
SELECT
    i.school AS school,
    i.name AS name,
    i.zone AS zone,
    i.mode AS mode,
    i.notice AS notice,
    i.group_sizes AS group_sizes
FROM schoolgate.school_info AS i FINAL
ORDER BY school
